"""Low-rank adapters beside linear layers (Hu et al. 2021, 2106.09685), by peft."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, final

from safetensors.torch import load_file, save_file
from torch import nn

from unimodal.adapters import Adapter
from unimodal.folder import read_json
from unimodal.model import UnimodalForConditionalGeneration

NAME = "default"  # of the one adapter, as peft calls it
LARGEST_RANK = 4096
PREFIX = "base_model.model."  # what peft's files put before a layer's name
WEIGHTS = "adapter_model.safetensors"
CONFIG = "adapter_config.json"
_READ: Mapping[str, tuple[type, ...]] = {
    "r": (int,),
    "lora_alpha": (int, float),
    "lora_dropout": (int, float),
    "target_modules": (list,),
    "use_rslora": (bool,),
    "rank_pattern": (dict,),
    "alpha_pattern": (dict,),
}
"""Fields of an adapter's config that are used, and their types."""
_WITHOUT_EFFECT = {
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "init_lora_weights", "megatron_core"),
    *("peft_type", "peft_version", "qalora_group_size", "revision", "task_type"),
}
"""Fields that say where an adapter comes from, or how it began; some name code or addresses and are never followed."""


@final
class Lora(Adapter):
    """Adds `alpha / rank * up(down(x))` to linear layers; `targets` are regular expressions that match in their names.

    `query|value` adapts these projections of every attention, `^backbone.decoder.*mixer` those of the decoder's own.
    """

    def __init__(
        self, *, targets: Sequence[str] = ("query", "value"), rank: int = 8, alpha: int = 16, dropout: float = 0.0
    ) -> None:
        if rank < 1:
            raise ValueError(f"rank: expected at least 1, got {rank}")
        self.targets, self.rank, self.alpha, self.dropout = tuple(targets), rank, alpha, dropout

    def attach(self, model: UnimodalForConditionalGeneration) -> None:
        from peft import LoraConfig, inject_adapter_in_model

        linears = [name for name, part in model.named_modules() if isinstance(part, nn.Linear)]
        matched = [name for name in linears if any(re.search(target, name) for target in self.targets)]
        if not matched:
            ends = sorted({name.rpartition(".")[2] for name in linears})
            raise ValueError(f"targets: no linear layer is named like {', '.join(self.targets)}; {', '.join(ends)} are")
        config = LoraConfig(r=self.rank, lora_alpha=self.alpha, lora_dropout=self.dropout, target_modules=matched)
        inject_adapter_in_model(config, model, NAME)

    def save(self, model: UnimodalForConditionalGeneration, folder: Path) -> None:
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(model, adapter_name=NAME)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({f"{PREFIX}{name}": value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)
        model.peft_config[NAME].save_pretrained(str(folder))

    @classmethod
    def load(cls, model: UnimodalForConditionalGeneration, folder: Path) -> "Lora":
        from peft import LoraConfig, inject_adapter_in_model, set_peft_model_state_dict

        if not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(f"{folder / WEIGHTS}: not there; is {folder} an adapter's folder?")
        settings = _settings(folder / CONFIG)
        config = LoraConfig(**settings)
        inject_adapter_in_model(config, model, NAME)
        weights = {name.removeprefix(PREFIX): value for name, value in load_file(folder / WEIGHTS).items()}
        set_peft_model_state_dict(model, weights, adapter_name=NAME)
        targets = [f"^{re.escape(name)}$" for name in sorted(settings["target_modules"])]
        return cls(targets=targets, rank=config.r, alpha=config.lora_alpha, dropout=config.lora_dropout)

    def merge(self, model: UnimodalForConditionalGeneration) -> None:
        from peft.tuners.lora import LoraLayer

        for name, layer in list(model.named_modules()):
            if isinstance(layer, LoraLayer):
                layer.merge(safe_merge=True)
                owner, _, last = name.rpartition(".")
                setattr(model.get_submodule(owner), last, layer.get_base_layer())
        del model.peft_config


def _settings(file: Path) -> dict[str, Any]:
    """What peft is told of an adapter: no more than what is understood, since it imports what some fields name.

    Raises ValueError that names a field of another kind of adapter, or of another type.
    """
    from peft import LoraConfig

    given, neutral = read_json(file), LoraConfig().to_dict()
    if given.get("peft_type") != "LORA":
        raise ValueError(f"{file}: peft_type: {given.get('peft_type')!r} is not 'LORA'")
    for name, value in given.items():
        if name in _READ:
            if not isinstance(value, _READ[name]):
                raise ValueError(f"{file}: {name}: expected {_READ[name][0].__name__}, got {value!r}")
        elif name not in _WITHOUT_EFFECT and value and value != neutral.get(name):
            raise ValueError(f"{file}: {name}: adapters with {value!r} are not read")
    if not given.get("target_modules") or not 0 < given.get("r", 8) <= LARGEST_RANK:
        raise ValueError(f"{file}: target_modules, r: expected names of layers and a rank up to {LARGEST_RANK}")
    return {name: given[name] for name in _READ if name in given}
