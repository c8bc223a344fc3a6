"""What all adapters have in common that are layers of peft's: which they adapt, their files, merging."""

import re
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unimodal.adapters import CONFIG, WEIGHTS, Adapter
from unimodal.loading.folder import read_json
from unimodal.model import UnimodalForConditionalGeneration

NAME = "default"  # of the one adapter, as peft calls it
LARGEST = 4096
"""Sizes of an adapter that is read: a config from elsewhere must not ask for all memory."""
_WITHOUT_EFFECT = {
    *("auto_mapping", "base_model_name_or_path", "inference_mode", "megatron_core", "qalora_group_size"),
    *("peft_type", "peft_version", "revision", "task_type"),
    *("init_lora_weights", "init_weights", "init_vector_bank_bound", "init_logits_std"),
}
"""Fields that say where an adapter comes from, or how it began; some name code or addresses and are never followed."""

Fields = Mapping[str, tuple[type, ...]]


class PeftAdapter(Adapter):
    """Layers of peft's in the place of linear layers; abstract.

    `targets` are regular expressions that match in the names of those: `query|value` adapts these projections of every
    attention, `^backbone.decoder.*mixer` those of the decoder's own.
    """

    wraps = False
    mergeable = True
    targets: tuple[str, ...]
    fields: ClassVar[Fields]
    """Fields of a saved config that are used, and their types."""
    sizes: ClassVar[tuple[str, ...]]
    """Those that say how much room an adapter takes."""
    shared: ClassVar[tuple[str, ...]]
    """What peft keeps beside the layers, since all of them share it: their attribute, and the name in the file."""

    @classmethod
    @abstractmethod
    def config_class(cls) -> Any:
        """peft's config of this kind."""

    @abstractmethod
    def config(self, layers: Mapping[str, nn.Linear]) -> Any:
        """peft's config for these layers. Raises ValueError that names a field which does not suit them."""

    @classmethod
    @abstractmethod
    def restored(cls, targets: Sequence[str], config: Any) -> "PeftAdapter":
        """The adapter that gave a saved config."""

    def attach(self, model: UnimodalForConditionalGeneration) -> None:
        _inject(self.config(self._layers(model)), model)

    def save(self, model: UnimodalForConditionalGeneration, folder: Path) -> None:
        from peft import get_peft_model_state_dict

        weights = get_peft_model_state_dict(self._seen_by_peft(model), adapter_name=NAME)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({name: value.contiguous() for name, value in weights.items()}, folder / WEIGHTS)
        model.peft_config[NAME].save_pretrained(str(folder))

    @classmethod
    def load(cls, model: UnimodalForConditionalGeneration, folder: Path) -> "PeftAdapter":
        from peft import get_peft_model_state_dict, set_peft_model_state_dict

        if not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(f"{folder / WEIGHTS}: not there; is {folder} an adapter's folder?")
        settings = cls._settings(folder / CONFIG)
        targets = [rf"(^|[.]){re.escape(name)}$" for name in sorted(settings["target_modules"])]
        config = cls.config_class()(**settings)
        try:
            adapter = cls.restored(targets, config)
            adapter.config(adapter._layers(model))
        except ValueError as error:
            raise ValueError(f"{folder / CONFIG}: {error}") from error
        _inject(config, model, empty=True)  # nothing takes room before the file is known to fill it
        seen = cls._seen_by_peft(model)
        weights = _read(folder / WEIGHTS)
        _compare(folder / WEIGHTS, weights, get_peft_model_state_dict(seen, adapter_name=NAME))
        set_peft_model_state_dict(seen, weights, adapter_name=NAME, low_cpu_mem_usage=True)
        return adapter

    def merge(self, model: UnimodalForConditionalGeneration) -> None:
        from peft.tuners.tuners_utils import BaseTunerLayer

        for name, layer in list(model.named_modules()):
            if isinstance(layer, BaseTunerLayer):
                layer.merge(safe_merge=True)
                owner, _, last = name.rpartition(".")
                setattr(model.get_submodule(owner), last, layer.get_base_layer())
        del model.peft_config

    def _layers(self, model: nn.Module) -> dict[str, nn.Linear]:
        """Those that are adapted. Raises ValueError where no name matches."""
        linears = {name: part for name, part in model.named_modules() if isinstance(part, nn.Linear)}
        matched = {name: part for name, part in linears.items() if any(re.search(t, name) for t in self.targets)}
        if not matched:
            ends = sorted({name.rpartition(".")[2] for name in linears})
            raise ValueError(f"targets: no linear layer is named like {', '.join(self.targets)}; {', '.join(ends)} are")
        return matched

    @classmethod
    def _seen_by_peft(cls, model: UnimodalForConditionalGeneration) -> nn.Module:
        """The adapted model as peft's own wrappers hold it: their names are those of the file."""
        from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING
        from peft.tuners.tuners_utils import BaseTunerLayer

        layer = next(part for part in model.modules() if isinstance(part, BaseTunerLayer))
        kinds: Any = PEFT_TYPE_TO_TUNER_MAPPING
        kind, wrapper = kinds[cls.peft_type], nn.Module()
        tuner: nn.Module = kind.__new__(kind)  # its constructor would put in another set of layers
        nn.Module.__init__(tuner)
        tuner.model, wrapper.base_model = model, tuner
        vars(wrapper)["peft_config"] = model.peft_config
        for name in cls.shared:
            tuner.add_module(name, getattr(layer, name))
        return wrapper

    @classmethod
    def _settings(cls, file: Path) -> dict[str, Any]:
        """What peft is told of an adapter: no more than what is understood, since it imports what some fields name.

        Raises ValueError that names a field of another kind of adapter, or of another type.
        """
        given, neutral = read_json(file), cls.config_class()().to_dict()
        if not cls.reads(given):
            raise ValueError(
                f"{file}: peft_type: {given.get('peft_type')!r} is not {cls.peft_type!r}, or of another use"
            )
        for name, value in given.items():
            if name in cls.fields:
                if not isinstance(value, cls.fields[name]):
                    raise ValueError(f"{file}: {name}: expected {cls.fields[name][0].__name__}, got {value!r}")
            elif name not in _WITHOUT_EFFECT and value and value != neutral.get(name):
                raise ValueError(f"{file}: {name}: adapters with {value!r} are not read")
        for name in cls.sizes:
            if not 0 <= given.get(name, 1) <= LARGEST:
                raise ValueError(f"{file}: {name}: expected up to {LARGEST}, got {given[name]}")
        if not given.get("target_modules"):
            raise ValueError(f"{file}: target_modules: expected names of layers")
        return {name: given[name] for name in cls.fields if name in given}


def check_rank(rank: int) -> None:
    """Raises ValueError for a rank that is none."""
    if rank < 1:
        raise ValueError(f"rank: expected at least 1, got {rank}")


def _inject(config: Any, model: nn.Module, *, empty: bool = False) -> None:
    """As peft's `inject_adapter_in_model`, which leaves out kinds whose layers share something."""
    from peft.mapping import PEFT_TYPE_TO_TUNER_MAPPING

    PEFT_TYPE_TO_TUNER_MAPPING[config.peft_type](model, config, adapter_name=NAME, low_cpu_mem_usage=empty)


def _read(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except SafetensorError as error:
        raise ValueError(f"{file}: is no safetensors file ({error})") from error


def _compare(file: Path, found: Mapping[str, Tensor], expected: Mapping[str, Tensor]) -> None:
    """Raises ValueError where a file does not hold what its config describes."""
    for name in sorted(found.keys() | expected.keys()):
        shapes = [tuple(side[name].shape) if name in side else None for side in (expected, found)]
        if shapes[0] != shapes[1]:
            said = [" x ".join(map(str, shape)) if shape is not None else "none" for shape in shapes]
            raise ValueError(f"{file}: {name}: the config and the model ask for {said[0]}, the file holds {said[1]}")
        if name in expected and expected[name].dtype.is_floating_point != found[name].dtype.is_floating_point:
            raise ValueError(f"{file}: {name}: holds {found[name].dtype}")
