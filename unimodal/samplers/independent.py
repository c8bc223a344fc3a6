"""The search in which every row is an answer of its own: greedy decoding and sampling differ in how they pick."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.samplers import Choice, Hypothesis, Search

Pick = Callable[[Tensor], Tensor]
"""Logits [b, v] -> tokens [b]."""


@final
class IndependentSearch(Search):
    """Picks a token for each row and drops the row when it has ended."""

    def __init__(self, examples: int, *, end: int, limit: int, pick: Pick) -> None:
        self._pick = pick
        self._end = end
        self._limit = limit
        self._running = list(range(examples))
        self._tokens: list[list[int]] = [[] for _ in range(examples)]
        self._scores = [0.0] * examples

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        tokens = self._pick(logits)
        log_probabilities = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        scores = log_probabilities.gather(1, tokens[:, None])[:, 0].tolist()
        going = []
        for row, (example, token, score) in enumerate(zip(self._running, tokens.tolist(), scores, strict=True)):
            self._tokens[example].append(token)
            self._scores[example] += score
            if token != self._end and len(self._tokens[example]) < self._limit:
                going.append(row)
        self._running = [self._running[row] for row in going]
        rows = torch.tensor(going, dtype=torch.long, device=logits.device)
        return Choice(rows, tokens[rows])

    def results(self) -> list[list[Hypothesis]]:
        pairs = zip(self._tokens, self._scores, strict=True)
        return [[Hypothesis(tuple(tokens), score)] for tokens, score in pairs]
