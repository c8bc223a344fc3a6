"""Beam search: the best few prefixes side by side (Graves 2012, 1211.3711; length penalty as in transformers).

e examples, w prefixes of an example, k hypotheses kept that have ended, c candidates for both, b rows, v vocabulary
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.samplers import Choice, Growth, Hypothesis, Sampler, Search
from unimodal.samplers.best import find_best
from unimodal.samplers.patience import Patience, WhileBetter

BEGINNING = -1
"""The place before the first token of an answer."""


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

    def search(self, examples: int, *, ends: Collection[int], limit: int, scored: bool = True) -> Search:
        return _BeamSearch(self, examples, ends, limit)


@final
class _Written:
    """Every token that was chosen or nearly so, with the one before it; put together when an answer is asked for."""

    def __init__(self) -> None:
        self._tokens: list[Tensor] = []
        self._before: list[Tensor] = []
        self._size = 0

    def add(self, tokens: Int[Tensor, "e c"], before: Int[Tensor, "e c"]) -> Int[Tensor, "e c"]:
        """The places of tokens that follow those at the places `before` (`BEGINNING`: nothing)."""
        self._tokens.append(tokens.flatten())
        self._before.append(before.flatten())
        first, self._size = self._size, self._size + tokens.numel()
        return torch.arange(first, self._size, device=tokens.device).view(tokens.shape)

    def read(self, ends: list[list[int]]) -> list[list[tuple[int, ...]]]:
        """The answers whose last tokens stand at these places."""
        tokens: list[int] = torch.cat(self._tokens).tolist()
        before: list[int] = torch.cat(self._before).tolist()

        def follow(place: int) -> tuple[int, ...]:
            answer = []
            while place != BEGINNING:
                answer.append(tokens[place])
                place = before[place]
            return tuple(reversed(answer))

        return [[follow(place) for place in row] for row in ends]


@dataclass(frozen=True, eq=False)
class _Examples:
    """Beams side by side, those of running examples in the order of their rows."""

    number: Int[Tensor, " e"]
    scores: Float[Tensor, "e w"]
    """Sums of log-probabilities of the running prefixes, the best first; -inf where there are fewer."""
    places: Int[Tensor, "e w"]
    """Of the last token of each prefix."""
    ended_scores: Float[Tensor, "e k"]
    """Of the ended hypotheses, the best first; -inf where there are fewer."""
    ended_places: Int[Tensor, "e k"]

    @classmethod
    def begin(cls, examples: int, width: int, like: Tensor) -> "_Examples":
        """One empty prefix each, and nothing that has ended."""
        places = torch.full((examples, width), BEGINNING, device=like.device)
        return cls(
            number=torch.arange(examples, device=like.device),
            scores=like.new_zeros(examples, 1),
            places=places[:, :1],
            ended_scores=like.new_full((examples, width), -torch.inf),
            ended_places=places,
        )

    def take(self, rows: Int[Tensor, " r"]) -> "_Examples":
        """Some of the examples."""
        return _Examples(**{name: value[rows] for name, value in vars(self).items()})

    def end(self, scores: Float[Tensor, "e c"], places: Int[Tensor, "e c"]) -> "_Examples":
        """The same with more ended hypotheses: the best of all are kept, of equals the earlier."""
        best, order = torch.cat([self.ended_scores, scores], dim=1).sort(dim=1, descending=True, stable=True)
        width = self.ended_scores.shape[1]
        places = torch.cat([self.ended_places, places], dim=1).gather(1, order[:, :width])
        return replace(self, ended_scores=best[:, :width], ended_places=places)


@final
class _BeamSearch(Search):
    """Examples have as many rows each, side by side: where one has fewer prefixes, its best is repeated unranked."""

    def __init__(self, beam: Beam, examples: int, ends: Collection[int], limit: int) -> None:
        self._beam = beam
        self._ends = torch.tensor(sorted(ends), dtype=torch.long)
        self._limit = limit
        # So many that `width` of them go on, whichever end.
        self._num_candidates = max(2, 1 + len(ends)) * beam.width
        self._num_examples = examples
        self._written = _Written()
        self._running: _Examples | None = None
        self._left: list[_Examples] = []
        self._num_left_before = 0
        self._length = 0

    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        if self._running is None:
            self._running = _Examples.begin(self._num_examples, self._beam.width, logits)
        examples, width = self._running, self._beam.width
        self._length += 1
        scores, origins, tokens = self._candidates(examples, logits)
        places = self._written.add(tokens, examples.places.gather(1, origins))
        ends = self._are_ends(tokens)
        ended = scores.masked_fill(~ends, -torch.inf)[:, :width]
        examples = examples.end(self._penalised(ended), places[:, :width])
        running, order = scores.masked_fill(ends, -torch.inf).sort(dim=1, descending=True, stable=True)
        running, order = running[:, :width], order[:, :width]
        order = torch.where(running > -torch.inf, order, order[:, :1])
        examples = replace(examples, scores=running, places=places.gather(1, order))
        first = torch.arange(0, logits.shape[0], logits.shape[0] // origins.shape[0], device=logits.device)
        rows, tokens = first[:, None] + origins.gather(1, order), tokens.gather(1, order)
        return self._leave(examples, rows, tokens)

    def _candidates(self, examples: _Examples, logits: Float[Tensor, "b v"]) -> tuple[Tensor, Tensor, Tensor]:
        """The best continuations [e, c] of all prefixes of an example: score, number of the prefix, token."""
        if self._beam.renormalised:
            logits = logits.log_softmax(-1)
        added, tokens = find_best(logits, self._num_candidates)
        scores = examples.scores[:, :, None] + added.unflatten(0, examples.scores.shape)
        best, found = scores.flatten(1).topk(min(self._num_candidates, scores[0].numel()))
        return best, found // added.shape[1], tokens.view(len(best), -1).gather(1, found)

    def _are_ends(self, tokens: Int[Tensor, "e c"]) -> Bool[Tensor, "e c"]:
        if self._length == self._limit:
            return torch.ones_like(tokens, dtype=torch.bool)
        self._ends = self._ends.to(tokens.device)
        return torch.isin(tokens, self._ends)

    def _penalised(self, scores: Float[Tensor, "e c"]) -> Float[Tensor, "e c"]:
        penalty: float = self._length**self._beam.length_penalty
        return scores / penalty

    def _leave(self, examples: _Examples, rows: Int[Tensor, "e w"], tokens: Int[Tensor, "e w"]) -> Choice:
        """Drops the examples that are done."""
        best, worst = examples.scores[:, 0], examples.ended_scores[:, -1]
        penalty = self._beam.length_penalty
        patient = self._beam.patience.may_go_on(
            best, worst, length=self._length, limit=self._limit, length_penalty=penalty
        )
        going = (best > -torch.inf) & (patient | (worst == -torch.inf))
        self._num_left_before = len(self._left)
        if not going.all():
            self._left.append(examples.take((~going).nonzero()[:, 0]))
            kept = going.nonzero()[:, 0]
            examples, rows, tokens = examples.take(kept), rows[kept], tokens[kept]
        self._running = examples
        return Choice(rows.flatten(), tokens.flatten())

    def grown(self) -> list[Growth]:
        return [
            Growth(number, best.tokens, best.score)
            for examples in self._left[self._num_left_before :]
            for number, (best, *_) in self._hypotheses(examples)
        ]

    def results(self) -> list[list[Hypothesis]]:
        found = [[Hypothesis((), 0.0)] for _ in range(self._num_examples)]
        if self._running is not None:
            unfinished = self._running.end(self._penalised(self._running.scores), self._running.places)
            for examples in (*self._left, unfinished):
                for number, hypotheses in self._hypotheses(examples):
                    found[number] = hypotheses
        return found

    def _hypotheses(self, examples: _Examples) -> list[tuple[int, list[Hypothesis]]]:
        """(number, what has ended, the best first) of each example."""
        answers = self._written.read(examples.ended_places.tolist())
        found = []
        for number, row, scores in zip(examples.number.tolist(), answers, examples.ended_scores.tolist(), strict=True):
            ended = [Hypothesis(tokens, score) for tokens, score in zip(row, scores, strict=True) if score > -torch.inf]
            found.append((number, ended or [Hypothesis((), 0.0)]))
        return found
