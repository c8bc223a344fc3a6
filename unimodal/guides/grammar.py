"""Holds a decoder to a grammar.

b rows, v vocabulary, r rows that go on
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.grammar import DEAD, NEVER, Grammar
from unimodal.guides import Guide
from unimodal.vocabulary import TokenSpace


@dataclass(frozen=True, eq=False)
class Place:
    """Where rows stand in a grammar, and how many tokens they may still write."""

    state: Int[Tensor, " b"]
    left: Int[Tensor, " b"]


@final
class GrammarGuide(Guide[Place]):
    """Lowers the logits of tokens that the grammar does not allow by `strength`, by default to nothing.

    Constrained decoding with an automaton over tokens (Willard and Louf, 2023, arXiv:2307.09702). Differs from it where
    an answer has at most `limit` tokens: tokens from which the end is out of reach are not allowed either, so no answer
    is cut off. A finished row writes padding; a row that left the grammar (possible at a finite strength) is no longer
    guided.
    """

    def __init__(self, grammar: Grammar, *, strength: float = math.inf, limit: int | None = None):
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        shortest = int(grammar.distance(grammar.start(1))[0])
        if limit is not None and limit < shortest:
            raise ValueError(f"limit: the shortest answer has {shortest} tokens, so none fits into {limit}")
        self._grammar, self._strength = grammar, strength
        self._limit = NEVER if limit is None else limit

    def start(self, rows: int, device: torch.device | None = None) -> Place:
        state = self._grammar.start(rows, device)
        return Place(state, torch.full_like(state, self._limit))

    def adjust(self, logits: Float[Tensor, "b v"], state: Place) -> Float[Tensor, "b v"]:
        if self._strength == 0:
            return logits
        is_pad = torch.arange(logits.shape[-1], device=logits.device) == TokenSpace.pad
        allowed = self._grammar.allowed(state.state, state.left)
        allowed = torch.where(self._grammar.final(state.state)[:, None], is_pad, allowed)
        return torch.where(allowed | (state.state == DEAD)[:, None], logits, logits - self._strength)

    def advance(self, state: Place, tokens: Int[Tensor, " b"]) -> Place:
        final = self._grammar.final(state.state)
        return Place(torch.where(final, state.state, self._grammar.step(state.state, tokens)), state.left - 1)

    def take(self, state: Place, rows: Int[Tensor, " r"]) -> Place:
        return Place(state.state[rows], state.left[rows])
