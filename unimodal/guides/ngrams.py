"""Keeps a decoder from going round in circles.

b rows, v vocabulary, t tokens so far, r rows that go on
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide
from unimodal.vocabulary import TokenSpace


@final
class NgramGuide(Guide[Int[Tensor, "b t"]]):
    """Lowers the logits of tokens that would repeat `length` tokens in a row by `strength`, by default to nothing.

    Trigram blocking (Paulus et al., 2017, arXiv:1705.04304). Padding and the end token may always come.
    """

    def __init__(self, *, length: int, strength: float = math.inf):
        if length < 1:
            raise ValueError(f"length: expected at least 1, got {length}")
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._length, self._strength = length, strength

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, "b t"]:
        return torch.empty(rows, 0, dtype=torch.long, device=device)

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        if self._strength == 0 or state.shape[1] < self._length:
            return logits
        windows = state.unfold(1, self._length, 1)
        beginning = state[:, state.shape[1] - self._length + 1 :]
        repeats = (windows[..., :-1] == beginning[:, None]).all(-1)
        counts = torch.zeros_like(logits, dtype=torch.long).scatter_add(1, windows[..., -1], repeats.long())
        counts[:, [TokenSpace.pad, TokenSpace.end]] = 0
        return torch.where(counts > 0, logits - self._strength, logits)

    def advance(self, state: Int[Tensor, "b t"], tokens: Int[Tensor, " b"]) -> Int[Tensor, "b u"]:
        return torch.cat([state, tokens[:, None]], dim=1)

    def take(self, state: Int[Tensor, "b t"], rows: Int[Tensor, " r"]) -> Int[Tensor, "r t"]:
        return state[rows]
