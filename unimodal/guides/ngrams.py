"""Keeps a decoder from going round in circles.

b rows, v vocabulary, t tokens so far
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import NOTHING
from unimodal.guides.history import HistoryGuide
from unimodal.vocabulary import TokenSpace


@final
class NgramGuide(HistoryGuide):
    """Lowers the logits of tokens that would repeat `length` tokens in a row by `strength`, by default to nothing.

    Trigram blocking (Paulus et al., 2017, arXiv:1705.04304). `spared` tokens may always come.
    """

    def __init__(
        self,
        *,
        length: int,
        strength: float = math.inf,
        spared: Sequence[int] = (TokenSpace.pad, TokenSpace.end),
    ):
        if length < 1:
            raise ValueError(f"length: expected at least 1, got {length}")
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._length, self._strength, self._spared = length, strength, list(spared)

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        if self._strength == 0 or state.shape[1] < self._length:
            return logits
        windows = state.unfold(1, self._length, 1)
        beginning = state[:, state.shape[1] - self._length + 1 :]
        last = windows[..., -1]
        repeats = (windows[..., :-1] == beginning[:, None]).all(-1) & (last != NOTHING)
        counts = torch.zeros_like(logits, dtype=torch.long).scatter_add(1, last.clamp(min=0), repeats.long())
        counts[:, self._spared] = 0
        return torch.where(counts > 0, logits - self._strength, logits)
