"""The search in which every row is an answer of its own: greedy decoding and sampling differ in how they pick."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
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
        self._running = torch.arange(examples)
        self._tokens: list[list[int]] = [[] for _ in range(examples)]
        self._scores = torch.zeros(examples)

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        tokens = self._pick(logits)
        chosen = logits.float().log_softmax(-1).gather(1, tokens[:, None])[:, 0].cpu()
        self._scores[self._running] += chosen
        going = self._take(tokens.cpu())
        rows = torch.where(going)[0].to(logits.device)
        self._running = self._running[going]
        return Choice(rows, tokens[rows])

    def _take(self, tokens: Int[Tensor, " b"]) -> Tensor:
        going = tokens != self._end
        for example, token in zip(self._running.tolist(), tokens.tolist(), strict=True):
            self._tokens[example].append(token)
        full = torch.tensor([len(self._tokens[example]) >= self._limit for example in self._running.tolist()])
        return going & ~full

    def results(self) -> list[list[Hypothesis]]:
        pairs = zip(self._tokens, self._scores.tolist(), strict=True)
        return [[Hypothesis(tuple(tokens), score)] for tokens, score in pairs]
