"""Holds a decoder to a grammar.

b rows, v vocabulary, r rows that go on
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.grammars import DEAD, NEVER, Grammar
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

    A step looks up what each class of tokens loses, spreads that over the vocabulary, and adds the logits.
    """

    def __init__(self, grammar: Grammar, *, strength: float = math.inf, limit: int | None = None):
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        shortest = int(grammar.distance(grammar.start(1))[0])
        if limit is not None and limit < shortest:
            raise ValueError(f"limit: the shortest answer has {shortest} tokens, so none fits into {limit}")
        self._grammar, self._strength, self._limit = grammar, strength, limit
        # Padding is a class of its own, the last; 32 bits are looked up faster.
        self._classes = grammar.classes.int()
        self._classes[TokenSpace.pad] = self._classes.max() + 1

    def start(self, rows: int, device: torch.device | None = None) -> Place:
        self._classes = self._classes.to(device)
        state = self._grammar.start(rows, device)
        return Place(state, torch.full_like(state, NEVER if self._limit is None else self._limit))

    def adjust(self, logits: Float[Tensor, "b v"], state: Place) -> Float[Tensor, "b v"]:
        if self._strength == 0:
            return logits
        live = self._grammar.live(state.state, None if self._limit is None else state.left)
        open_ = torch.cat([live, self._grammar.final(state.state)[:, None]], 1)
        free = torch.zeros((), dtype=logits.dtype, device=logits.device)
        lowered = torch.where(open_ | (state.state == DEAD)[:, None], free, -self._strength)
        return lowered.index_select(1, self._classes).add_(logits)

    def advance(self, state: Place, tokens: Int[Tensor, " b"]) -> Place:
        final = self._grammar.final(state.state)
        return Place(torch.where(final, state.state, self._grammar.step(state.state, tokens)), state.left - 1)

    def take(self, state: Place, rows: Int[Tensor, " r"]) -> Place:
        return Place(state.state[rows], state.left[rows])
