"""Keeps a decoder from copying its source.

b rows, e examples, s tokens of the source, v vocabulary, t tokens so far, r rows that go on
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide


@dataclass(frozen=True, eq=False)
class Copied:
    """Which example rows answer, and what they wrote."""

    example: Int[Tensor, " b"]
    written: Int[Tensor, "b t"]


@final
class SourceNgramGuide(Guide[Copied]):
    """Lowers the logits of tokens that would copy `length` tokens in a row from the source by `strength`.

    By default to nothing, as the blocks that BlenderBot has on its context (Roller et al., 2020, arXiv:2004.13637).
    """

    def __init__(self, source: Int[Tensor, "e s"], *, length: int, strength: float = math.inf):
        if length < 1:
            raise ValueError(f"length: expected at least 1, got {length}")
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._source, self._length, self._strength = source, length, strength

    def start(self, rows: int, device: torch.device | None = None) -> Copied:
        assert rows == self._source.shape[0], "sources belong to the rows that they were read for"
        return Copied(torch.arange(rows, device=device), torch.empty(rows, 0, dtype=torch.long, device=device))

    def adjust(self, logits: Float[Tensor, "b v"], state: Copied) -> Float[Tensor, "b v"]:
        begun = self._length - 1
        if self._strength == 0 or state.written.shape[1] < begun or self._source.shape[1] < self._length:
            return logits
        windows = self._source.to(logits.device)[state.example].unfold(1, self._length, 1)
        beginning = state.written[:, state.written.shape[1] - begun :]
        copies = (windows[..., :-1] == beginning[:, None]).all(-1)
        counts = torch.zeros_like(logits, dtype=torch.long).scatter_add(1, windows[..., -1], copies.long())
        return torch.where(counts > 0, logits - self._strength, logits)

    def advance(self, state: Copied, tokens: Int[Tensor, " b"]) -> Copied:
        return Copied(state.example, torch.cat([state.written, tokens[:, None]], dim=1))

    def take(self, state: Copied, rows: Int[Tensor, " r"]) -> Copied:
        return Copied(state.example[rows], state.written[rows])
