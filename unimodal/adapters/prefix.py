"""Learned keys and values before the encoder's own (prefix tuning; Li and Liang 2021, 2101.00190).

peft has it for decoders alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast, final

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unimodal.adapters import CONFIG, WEIGHTS, Adapter
from unimodal.block import Block
from unimodal.loading.folder import read_json
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.tuning.prefix import Prefixed

_LONGEST = 4096
_TENSOR = "prompt_embeddings"


@final
class EncoderPrefix(Adapter):
    """`num_rows` learned rows that every self-attention of the encoder sees, each block its own.

    The file is that of peft's prefix tuning without projection: `prompt_embeddings` [rows, blocks x 2 x width], each
    block's keys before its values. The rows are no change of weights, so they are not merged. Unlike the paper's they
    are learned directly, not through a network that is thrown away.
    """

    peft_type = "PREFIX_TUNING"
    wraps = False
    neutral = False
    mergeable = False

    def __init__(self, *, num_rows: int = 16) -> None:
        if not 1 <= num_rows <= _LONGEST:
            raise ValueError(f"num_rows: expected 1 to {_LONGEST}, got {num_rows}")
        self.num_rows = num_rows

    @classmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        return settings.get("peft_type") == cls.peft_type

    def attach(self, model: UnimodalForConditionalGeneration) -> None:
        blocks = _blocks(model)
        widths = [_key_width(block) for block in blocks]
        model.requires_grad_(False)
        for block, width in zip(blocks, widths, strict=True):
            block.mixer = Prefixed(block.mixer, num_rows=self.num_rows, width=width)

    def save(self, model: UnimodalForConditionalGeneration, folder: Path) -> None:
        from peft import PrefixTuningConfig

        prefixes = _prefixes(model)
        rows = torch.cat([part for prefix in prefixes for part in (prefix.keys, prefix.values)], 1)
        folder.mkdir(parents=True, exist_ok=True)
        save_file({_TENSOR: rows.detach().contiguous()}, folder / WEIGHTS)
        config = PrefixTuningConfig(
            num_virtual_tokens=self.num_rows,
            token_dim=prefixes[0].keys.shape[1],
            num_layers=len(prefixes),
            num_transformer_submodules=1,
        )
        config.save_pretrained(str(folder))

    @classmethod
    def load(cls, model: UnimodalForConditionalGeneration, folder: Path) -> "EncoderPrefix":
        if not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(f"{folder / WEIGHTS}: not there; is {folder} an adapter's folder?")
        settings = read_json(folder / CONFIG)
        num_rows = settings.get("num_virtual_tokens")
        if not isinstance(num_rows, int) or not 1 <= num_rows <= _LONGEST or settings.get("prefix_projection"):
            raise ValueError(
                f"{folder / CONFIG}: num_virtual_tokens, prefix_projection: expected 1 to {_LONGEST}, and no projection"
            )
        widths = [_key_width(block) for block in _blocks(model)]
        parts = _read(folder / WEIGHTS, (num_rows, 2 * sum(widths))).split(
            [w for width in widths for w in 2 * [width]], 1
        )
        adapter = cls(num_rows=num_rows)
        adapter.attach(model)
        with torch.no_grad():
            for number, prefix in enumerate(_prefixes(model)):
                prefix.keys.copy_(parts[2 * number])
                prefix.values.copy_(parts[2 * number + 1])
        return adapter

    def merge(self, model: UnimodalForConditionalGeneration) -> None:
        raise ValueError("a prefix is rows that are seen and no change of weights, so it cannot be merged")


def _blocks(model: UnimodalForConditionalGeneration) -> list[Block]:
    """The encoder's. Raises ValueError where there is no encoder."""
    if model.backbone.encoder is None:
        raise ValueError("a prefix stands before the encoder's entries, and this model has no encoder")
    return [cast(Block, block) for block in model.backbone.encoder.blocks]


def _key_width(block: Block) -> int:
    """Of all its key-value heads together. Raises ValueError for a mixer that makes no keys."""
    for name, part in block.mixer.named_modules():
        if name.rpartition(".")[2] == "key" and isinstance(part, nn.Linear):
            return part.out_features
    raise ValueError("a prefix is seen by attention, and the encoder mixes its entries in another way")


def _prefixes(model: UnimodalForConditionalGeneration) -> list[Prefixed]:
    return [part for part in model.modules() if isinstance(part, Prefixed)]


def _read(file: Path, shape: tuple[int, int]) -> Tensor:
    try:
        rows = load_file(file).get(_TENSOR)
    except SafetensorError as error:
        raise ValueError(f"{file}: is no safetensors file ({error})") from error
    found = None if rows is None else tuple(rows.shape)
    if rows is None or found != shape:
        raise ValueError(
            f"{file}: {_TENSOR}: the config and the model ask for {shape[0]} x {shape[1]}, the file holds "
            f"{'none' if found is None else ' x '.join(map(str, found))}"
        )
    return rows
