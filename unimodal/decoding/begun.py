"""transformers' inputs of `generate` -> what a generation begins with.

b rows, s places of an input, t tokens that the decoder begins with
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.batching import Item, begin_rows, token_piece
from unimodal.decoding.generate import Prompt
from unimodal.decoding.generation_config import Told
from unimodal.guides import NOTHING

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
@dataclass(frozen=True, eq=False)
class Begun:
    """The beginning of a generation."""

    ids: Int[Tensor, "b t"]
    """What the decoder begins with, as callers see it before the answers."""
    told: Told
    prompt: Prompt

    @classmethod
    def alone(
        cls,
        model: "UnimodalForConditionalGeneration",
        input_ids: Int[Tensor, "b t"] | None,
        attention_mask: Int[Tensor, "b t"] | None,
    ) -> "Begun":
        """Of a decoder that goes on with its input, wherever its padding stands. Raises ValueError for no input."""
        if input_ids is None:
            raise ValueError("input_ids: a decoder alone goes on from them, and none are given")
        rows = real_ids(model, input_ids, attention_mask)
        # The decoder reads first what stands last, so that nothing comes between.
        items = [Item("", (token_piece(ids[:-1]),)) for ids in rows]
        told = torch.full_like(input_ids, NOTHING, device="cpu")
        for place, ids in zip(told, rows, strict=True):
            place[len(place) - len(ids) :] = ids
        prompt = Prompt.of(model, items, [token_piece(ids[-1:]) for ids in rows])
        return cls(input_ids, Told(told, input_ids, len(model.vocabulary)), prompt)

    @classmethod
    def answering(
        cls,
        model: "UnimodalForConditionalGeneration",
        inputs: Mapping[str, Any],
        decoder_input_ids: Int[Tensor, "b t"] | None,
        start: Sequence[int],
    ) -> "Begun":
        """Of a decoder that answers an encoder. `start`: its first token, of all rows or of each.

        The start token is put before `decoder_input_ids` if no row begins with it, as transformers does. Raises
        ValueError for no input, and for ids or lengths that do not fit.
        """
        given = {name: value for name, value in inputs.items() if value is not None}
        if not given:
            raise ValueError(f"{' or '.join(sorted(model.source.inputs))}: the encoder reads it, and none is given")
        source = given.get("input_ids")
        if source is not None and model.source.reads_tokens:
            real_ids(model, source, given.get("attention_mask"))
        else:
            source = None
        num_rows = len(next(iter(given.values())))
        ids = _started(num_rows, decoder_input_ids, start)
        target = begin_rows([token_piece(row) for row in ids], model.kinds)
        return cls(
            ids, Told(ids, source, len(model.vocabulary)), Prompt(lambda model: model.encode_inputs(inputs)[1], target)
        )


def _started(num_rows: int, decoder_input_ids: Tensor | None, start: Sequence[int]) -> Int[Tensor, "b t"]:
    if not start:
        if decoder_input_ids is None:
            raise ValueError("decoder_start_token_id: nothing names the token that the decoder begins with")
        return decoder_input_ids.cpu()
    if len(start) not in (1, num_rows):
        raise ValueError(f"decoder_start_token_id: {len(start)} tokens for {num_rows} rows")
    first = torch.tensor(start)[:, None].expand(num_rows, 1)
    if decoder_input_ids is None:
        return first
    if decoder_input_ids.shape[0] != num_rows:
        raise ValueError(f"decoder_input_ids: {decoder_input_ids.shape[0]} rows for {num_rows} sources")
    given = decoder_input_ids.cpu()
    return torch.cat([first, given], dim=1) if (given[:, :1] != first).all() else given


def real_ids(
    model: "UnimodalForConditionalGeneration", input_ids: Tensor, attention_mask: Tensor | None
) -> list[Tensor]:
    """The ids of each row without padding. Raises ValueError for an empty row, and ids outside the vocabulary."""
    mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
    rows = [ids[kept.bool()].cpu() for ids, kept in zip(input_ids, mask, strict=True)]
    for row, ids in enumerate(rows):
        if ids.numel() == 0:
            raise ValueError(f"attention_mask: row {row} has no entry")
        if not 0 <= int(ids.min()) <= int(ids.max()) < len(model.vocabulary):
            raise ValueError(f"input_ids: row {row} has ids outside the vocabulary's {len(model.vocabulary)}")
    return rows
