"""The search in which every row is an answer of its own: greedy decoding and sampling differ in how they pick."""

from collections.abc import Callable, Collection
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.decoding.rows import Rows
from unimodal.samplers import Choice, Growth, Hypothesis, Search

Pick = Callable[[Tensor], Tensor]
"""Logits [b, v] -> tokens [b]."""


@final
class IndependentSearch(Search):
    """Picks a token for each row and drops the row when it has ended; rows of `answers` to one example go on apart."""

    def __init__(
        self, examples: int, *, ends: Collection[int], limit: int, scored: bool, pick: Pick, answers: int = 1
    ) -> None:
        self._pick = pick
        self._scored = scored
        self._ends = torch.tensor(sorted(ends), dtype=torch.long)
        self._limit = limit
        self._answers = answers
        self._rows = Rows(examples * answers)
        self._length = 0

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        origins = None
        if self._length == 0 and self._answers > 1:  # where the answers to an example part
            origins = torch.arange(logits.shape[0], device=logits.device).repeat_interleave(self._answers)
            logits = logits[origins]
        tokens = self._pick(logits)
        self._rows.write({"tokens": tokens, "scores": self._scores(logits, tokens)})
        self._length += 1
        going = self._rows.keep(self._going(tokens))
        if going is None:
            return Choice(origins, tokens)
        return Choice(going if origins is None else origins[going], tokens[going])

    def _scores(self, logits: Float[Tensor, "b v"], tokens: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        if not self._scored:
            return logits.new_full((1,), torch.nan).expand(len(tokens))
        return logits.log_softmax(-1).gather(1, tokens[:, None])[:, 0]

    def _going(self, tokens: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """Which rows have not ended."""
        if self._length == self._limit:
            return torch.zeros_like(tokens, dtype=torch.bool)
        self._ends = self._ends.to(tokens.device)
        return torch.isin(tokens, self._ends, invert=True)

    def grown(self) -> list[Growth]:
        answers, step = self._rows.last()
        written = zip(answers.tolist(), step["tokens"].tolist(), step["scores"].tolist(), strict=True)
        return [
            Growth(answer // self._answers, (token,), score)
            for answer, token, score in written
            if answer % self._answers == 0
        ]

    def results(self) -> list[list[Hypothesis]]:
        if self._length == 0:
            found = [Hypothesis((), 0.0)] * len(self._rows.running)
        else:
            found = [
                Hypothesis(tuple(written["tokens"].tolist()), float(written["scores"].double().sum()))
                for written in self._rows.parted()
            ]
        return [found[first : first + self._answers] for first in range(0, len(found), self._answers)]
