"""transformers' keywords -> what a stack reads: embeddings, and where they stand.

b rows, t places of an input, l entries, d width
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor
from transformers.modeling_outputs import Seq2SeqLMOutput

from unimodal.layout import Layout
from unimodal.modality import Embed, KeywordPrenet

Reading = tuple[Float[Tensor, "b l d"], Layout]


@dataclass
class ModelOutput(Seq2SeqLMOutput):
    """transformers' output; fields that a model has no part for are None."""

    last_hidden_state: Float[Tensor, "b l d"] | None = None
    """Of the stack that writes: the decoder, or an encoder that stands alone."""
    hidden_states: tuple[Float[Tensor, "b l d"], ...] | None = None
    """Of the same stack."""
    pooler_output: Float[Tensor, "b p"] | None = None
    """One vector a row, of an encoder that stands alone and has a pooler."""
    spectrogram: Float[Tensor, "b t f"] | None = None
    """Log-mel frames of a model that writes speech."""


@final
class Side:
    """One side of a model as callers address it: which pre-net reads which keywords; tokens are read without one."""

    def __init__(self, prefix: str, nets: Mapping[str, KeywordPrenet], embed_tokens: Embed) -> None:
        self.names = {name: f"{prefix}{name}" for name in ("input_ids", "inputs_embeds", "attention_mask")}
        self._nets = nets
        self._embed_tokens = embed_tokens

    @property
    def keywords(self) -> set[str]:
        """What callers may give."""
        return {*self.names.values(), *self._nets}

    @property
    def inputs(self) -> set[str]:
        """Those that can be read by themselves: not masks, and not what comes beside another input."""
        tokens = {self.names["input_ids"], self.names["inputs_embeds"]}
        return tokens | {net.keywords[0] for net in self._nets.values()}

    @property
    def window(self) -> int | None:
        """Places of an input that are read at once, where that is a fixed number."""
        return next((net.window for net in self._nets.values() if net.window is not None), None)

    @property
    def reads_tokens(self) -> bool:
        """Whether `input_ids` are tokens of the model's own, read without a pre-net."""
        return self.names["input_ids"] not in self._nets

    def is_given(self, inputs: Mapping[str, Any]) -> bool:
        """Whether there is anything to read."""
        return any(inputs.get(name) is not None for name in self.inputs)

    def read(self, inputs: Mapping[str, Any]) -> Reading:
        """Embeddings and layout of a batch. Raises ValueError where nothing is given, or two things at once."""
        given = {name: inputs[name] for name in self.keywords if inputs.get(name) is not None}
        mask = given.pop(self.names["attention_mask"], None)
        embeds = given.get(self.names["inputs_embeds"]) if self.names["inputs_embeds"] not in self._nets else None
        if not self.is_given(given) or (embeds is not None and len(given) > 1):
            raise ValueError(f"{', '.join(sorted(self.keywords))}: give one of them (a decoder takes labels as well)")
        net = next((self._nets[name] for name in given if name in self._nets), None)
        if embeds is not None or net is None:
            if embeds is None:
                embeds = self._embed_tokens(given[self.names["input_ids"]])
            return embeds, Layout.of_valid(_mask(mask, embeds))
        arrays = net.arrays(given)
        places = _mask(mask, next(iter(arrays.values())))
        return net.embed(arrays, places.sum(1), self._embed_tokens), Layout.of_valid(net.real(places))


def _mask(mask: Tensor | None, like: Tensor) -> Tensor:
    return torch.ones(like.shape[:2], dtype=torch.bool, device=like.device) if mask is None else mask.bool()
