"""Beam search: the best few prefixes side by side (Graves 2012, 1211.3711; length penalty as in transformers)."""

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.samplers import Choice, Hypothesis, Sampler, Search
from unimodal.samplers.patience import Patience, WhileBetter


@final
class Beam(Sampler):
    """Keeps `width` prefixes an example; a finished one scores `sum of log-probabilities / length ** length_penalty`.

    The length counts the end token. An example ends when `width` hypotheses have ended and its `patience` has too.
    `renormalised`: what guides leave of the logits is made log-probabilities, so that scores are those of the choices
    that were left; else the logits are taken as log-probabilities, as transformers does.
    """

    streams = False

    def __init__(
        self, width: int, *, length_penalty: float = 1.0, patience: Patience | None = None, renormalised: bool = True
    ) -> None:
        if width < 1:
            raise ValueError(f"width: a beam holds at least 1 hypothesis, not {width}")
        self.width = width
        self.length_penalty = length_penalty
        self.patience = WhileBetter() if patience is None else patience
        self.renormalised = renormalised

    def search(self, examples: int, *, ends: Collection[int], limit: int) -> Search:
        return _BeamSearch(self, examples, frozenset(ends), limit)


@dataclass
class _Example:
    """One example's beam: running prefixes with their scores, and what has ended."""

    running: list[tuple[tuple[int, ...], float]] = field(default_factory=lambda: [((), 0.0)])
    ended: list[Hypothesis] = field(default_factory=list)
    done: bool = False


@final
class _BeamSearch(Search):
    def __init__(self, beam: Beam, examples: int, ends: frozenset[int], limit: int) -> None:
        self._beam = beam
        self._ends = ends
        self._limit = limit
        self._examples = [_Example() for _ in range(examples)]
        # So many that `width` of them go on, whichever end.
        self._num_candidates = max(2, 1 + len(ends)) * beam.width

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        log_probabilities = logits.log_softmax(-1) if self._beam.renormalised else logits
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
        best, flat = total.topk(min(self._num_candidates, total.shape[0]))
        running: list[tuple[tuple[int, ...], float]] = []
        origins: list[int] = []
        for rank, (score, place) in enumerate(zip(best.tolist(), flat.tolist(), strict=True)):
            origin, token = divmod(place, log_probabilities.shape[1])
            tokens = (*example.running[origin][0], token)
            if score == -torch.inf:
                continue
            if token in self._ends or len(tokens) >= self._limit:
                if rank < width:
                    example.ended.append(Hypothesis(tokens, self._penalised(score, len(tokens))))
            elif len(running) < width:
                running.append((tokens, score))
                origins.append(origin)
        example.running = running
        example.ended = sorted(example.ended, key=lambda ended: -ended.score)[:width]
        example.done = self._is_done(example)
        return origins

    def _penalised(self, score: float, length: int) -> float:
        return float(score / length**self._beam.length_penalty)

    def _is_done(self, example: _Example) -> bool:
        if not example.running:
            return True
        if len(example.ended) < self._beam.width:
            return False
        prefix, best = max(example.running, key=lambda pair: pair[1])
        return not self._beam.patience.may_go_on(
            best,
            example.ended[-1].score,
            length=len(prefix),
            limit=self._limit,
            length_penalty=self._beam.length_penalty,
        )

    def results(self) -> list[list[Hypothesis]]:
        found = []
        for example in self._examples:
            going = [] if example.done else example.running
            unfinished = [Hypothesis(prefix, self._penalised(score, len(prefix))) for prefix, score in going if prefix]
            hypotheses = sorted(example.ended + unfinished, key=lambda ended: -ended.score)
            found.append(hypotheses[: self._beam.width] or [Hypothesis((), 0.0)])
        return found
