"""Beam search: the best few prefixes side by side (Graves 2012, 1211.3711; length penalty as in transformers)."""

from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.samplers import Choice, Hypothesis, Sampler, Search


@final
class Beam(Sampler):
    """Keeps `width` prefixes an example; a finished one scores `sum of log-probabilities / length ** length_penalty`.

    The length counts the end token. An example ends when `width` hypotheses have ended and no running one can still
    beat the worst of them at its present length.
    """

    streams = False

    def __init__(self, width: int, *, length_penalty: float = 1.0) -> None:
        if width < 1:
            raise ValueError(f"width: a beam holds at least 1 hypothesis, not {width}")
        self.width = width
        self.length_penalty = length_penalty

    def search(self, examples: int, *, end: int, limit: int) -> Search:
        return _BeamSearch(self, examples, end, limit)


@dataclass
class _Example:
    """One example's beam: running prefixes with their scores, and what has ended."""

    running: list[tuple[tuple[int, ...], float]] = field(default_factory=lambda: [((), 0.0)])
    ended: list[Hypothesis] = field(default_factory=list)
    done: bool = False


@final
class _BeamSearch(Search):
    def __init__(self, beam: Beam, examples: int, end: int, limit: int) -> None:
        self._beam = beam
        self._end = end
        self._limit = limit
        self._examples = [_Example() for _ in range(examples)]

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        log_probabilities = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(-1)
        rows: list[int] = []
        tokens: list[int] = []
        first = 0
        for example in self._examples:
            if example.done:
                continue
            count = len(example.running)
            origins = self._advance(example, log_probabilities[first : first + count])
            if not example.done:
                rows.extend(first + origin for origin in origins)
                tokens.extend(prefix[-1] for prefix, _ in example.running)
            first += count
        device = logits.device
        return Choice(torch.tensor(rows, dtype=torch.long, device=device), torch.tensor(tokens, device=device).long())

    def _advance(self, example: _Example, log_probabilities: Float[Tensor, "w v"]) -> list[int]:
        """One step of one example; for each prefix that runs on, the old prefix it came from."""
        width = self._beam.width
        scores = log_probabilities.new_tensor([score for _, score in example.running])
        total = (scores[:, None] + log_probabilities).flatten()
        best, flat = total.topk(min(2 * width, total.shape[0]))
        running: list[tuple[tuple[int, ...], float]] = []
        origins: list[int] = []
        for rank, (score, place) in enumerate(zip(best.tolist(), flat.tolist(), strict=True)):
            origin, token = divmod(place, log_probabilities.shape[1])
            prefix = example.running[origin][0]
            if score == -torch.inf:
                continue
            if token == self._end:
                if rank < width:
                    example.ended.append(Hypothesis((*prefix, token), self._penalised(score, len(prefix) + 1)))
            elif len(running) < width:
                running.append(((*prefix, token), score))
                origins.append(origin)
        example.running = running
        example.ended = sorted(example.ended, key=lambda ended: -ended.score)[:width]
        example.done = self._is_done(example)
        return origins

    def _penalised(self, score: float, length: int) -> float:
        return float(score / length**self._beam.length_penalty)

    def _is_done(self, example: _Example) -> bool:
        if not example.running or len(example.running[0][0]) >= self._limit:
            return True
        if len(example.ended) < self._beam.width:
            return False
        prefix, score = max(example.running, key=lambda pair: pair[1])
        return self._penalised(score, len(prefix)) <= example.ended[-1].score

    def results(self) -> list[list[Hypothesis]]:
        found = []
        for example in self._examples:
            unfinished = [
                Hypothesis(prefix, self._penalised(score, len(prefix))) for prefix, score in example.running if prefix
            ]
            hypotheses = sorted(example.ended + unfinished, key=lambda ended: -ended.score)
            found.append(hypotheses[: self._beam.width] or [Hypothesis((), 0.0)])
        return found
