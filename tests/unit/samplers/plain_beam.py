"""Beam search as one writes it down: example by example, prefix by prefix."""

from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from torch import Tensor

from unimodal.samplers.beam import Beam

Ended = tuple[tuple[int, ...], float]


@dataclass
class PlainBeam:
    """One example."""

    beam: Beam
    ends: Collection[int]
    limit: int
    running: list[Ended] = field(default_factory=lambda: [((), 0.0)])
    ended: list[Ended] = field(default_factory=list)
    done: bool = False

    def step(self, logits: dict[tuple[int, ...], Tensor]) -> None:
        """Takes a step by the logits of each running prefix."""
        candidates = [
            ((*prefix, token), score + added)
            for prefix, score in self.running
            for token, added in enumerate(self._log_probabilities(logits[prefix]))
            if score + added > -torch.inf
        ]
        candidates.sort(key=lambda pair: -pair[1])
        self.running = []
        for rank, (tokens, score) in enumerate(candidates[: max(2, 1 + len(self.ends)) * self.beam.width]):
            if tokens[-1] in self.ends or len(tokens) == self.limit:
                if rank < self.beam.width:
                    self.ended.append((tokens, self._penalised(tokens, score)))
            elif len(self.running) < self.beam.width:
                self.running.append((tokens, score))
        self.ended = sorted(self.ended, key=lambda pair: -pair[1])[: self.beam.width]
        self.done = not self.running or (len(self.ended) == self.beam.width and not self._may_go_on())

    def _log_probabilities(self, logits: Tensor) -> list[float]:
        found: list[float] = (logits.log_softmax(-1) if self.beam.renormalised else logits).tolist()
        return found

    def _penalised(self, tokens: tuple[int, ...], score: float) -> float:
        return float(score / len(tokens) ** self.beam.length_penalty)

    def _may_go_on(self) -> bool:
        best, worst = torch.tensor([self.running[0][1]]), torch.tensor([self.ended[-1][1]])
        length, penalty = len(self.running[0][0]), self.beam.length_penalty
        return bool(self.beam.patience.may_go_on(best, worst, length=length, limit=self.limit, length_penalty=penalty))

    def results(self) -> list[Ended]:
        """What ended, and what runs as far as it came."""
        going = [] if self.done else [(tokens, self._penalised(tokens, score)) for tokens, score in self.running]
        return sorted(self.ended + going, key=lambda pair: -pair[1])[: self.beam.width] or [((), 0.0)]
