"""The search in which every row is an answer of its own: greedy decoding and sampling differ in how they pick."""

from collections.abc import Callable, Collection
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.samplers import Choice, Hypothesis, Search

Pick = Callable[[Tensor], Tensor]
"""Logits [b, v] -> tokens [b]."""


@final
class IndependentSearch(Search):
    """Picks a token for each row and drops the row when it has ended; rows of `answers` to one example go on apart."""

    def __init__(self, examples: int, *, ends: Collection[int], limit: int, pick: Pick, answers: int = 1) -> None:
        self._pick = pick
        self._ends = frozenset(ends)
        self._limit = limit
        self._answers = answers
        self._running = list(range(examples * answers))
        self._tokens: list[list[int]] = [[] for _ in self._running]
        self._scores = [0.0] * len(self._running)

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        origins = torch.arange(logits.shape[0], device=logits.device)
        if logits.shape[0] < len(self._running):  # the first step, where the answers to an example part
            origins = origins.repeat_interleave(self._answers)
            logits = logits[origins]
        tokens = self._pick(logits)
        scores = logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0].tolist()
        going = []
        for row, (answer, token, score) in enumerate(zip(self._running, tokens.tolist(), scores, strict=True)):
            self._tokens[answer].append(token)
            self._scores[answer] += score
            if token not in self._ends and len(self._tokens[answer]) < self._limit:
                going.append(row)
        self._running = [self._running[row] for row in going]
        rows = torch.tensor(going, dtype=torch.long, device=logits.device)
        return Choice(origins[rows], tokens[rows])

    def results(self) -> list[list[Hypothesis]]:
        pairs = zip(self._tokens, self._scores, strict=True)
        found = [Hypothesis(tuple(tokens), score) for tokens, score in pairs]
        return [found[first : first + self._answers] for first in range(0, len(found), self._answers)]
