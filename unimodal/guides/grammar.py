"""Holds a decoder to a grammar.

b rows, v vocabulary, r rows that go on
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.grammar import DEAD, Grammar
from unimodal.guides import Guide
from unimodal.vocabulary import TokenSpace


@final
class GrammarGuide(Guide[Int[Tensor, " b"]]):
    """Lowers the logits of tokens that the grammar does not allow by `strength`, by default to nothing.

    Constrained decoding with an automaton over tokens (Willard and Louf, 2023, arXiv:2307.09702). A finished row writes
    padding; a row that left the grammar (possible at a finite strength) is no longer guided.
    """

    def __init__(self, grammar: Grammar, *, strength: float = math.inf):
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._grammar, self._strength = grammar, strength

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return self._grammar.start(rows, device)

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        if self._strength == 0:
            return logits
        is_pad = torch.arange(logits.shape[-1], device=logits.device) == TokenSpace.pad
        allowed = torch.where(self._grammar.final(state)[:, None], is_pad, self._grammar.allowed(state))
        return torch.where(allowed | (state == DEAD)[:, None], logits, logits - self._strength)

    def advance(self, state: Int[Tensor, " b"], tokens: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return torch.where(self._grammar.final(state), state, self._grammar.step(state, tokens))

    def take(self, state: Int[Tensor, " b"], rows: Int[Tensor, " r"]) -> Int[Tensor, " r"]:
        return state[rows]
