"""Bucketings: which examples of a window stand in a batch together."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random
from typing import final

Length = tuple[int, int]
"""Entries of an example: (source, target)."""


class Bucketing(ABC):
    """Law: every example is in exactly one batch; equal generators give equal batches."""

    @abstractmethod
    def split(self, lengths: Sequence[Length], batches: int, generator: Random) -> list[list[int]]:
        """Numbers of examples for each of `batches` batches of about the same work, none of them empty."""


@final
class Mixed(Bucketing):
    """Batches drawn at random, each a sample of the whole mixture; for a packer that leaves no padding."""

    def split(self, lengths: Sequence[Length], batches: int, generator: Random) -> list[list[int]]:
        order = generator.sample(range(len(lengths)), len(lengths))
        return _cut(order, [sum(lengths[example]) for example in order], batches)


@final
class ByLength(Bucketing):
    """Batches of examples that are alike in both lengths, for one example a row.

    The window is halved again and again, across the side (source or target) in which its examples differ most, so that
    speech in and speech out never pad each other.
    """

    def split(self, lengths: Sequence[Length], batches: int, generator: Random) -> list[list[int]]:
        order = generator.sample(range(len(lengths)), len(lengths))
        found = self._halve(order, lengths, batches)
        return generator.sample(found, len(found))

    def _halve(self, examples: list[int], lengths: Sequence[Length], batches: int) -> list[list[int]]:
        if batches == 1:
            return [examples]
        halves = min((self._halves(examples, lengths, batches, side) for side in (0, 1)), key=lambda cut: cut[0])
        first, second = halves[1]
        return self._halve(first, lengths, batches // 2) + self._halve(second, lengths, batches - batches // 2)

    def _halves(
        self, examples: list[int], lengths: Sequence[Length], batches: int, side: int
    ) -> tuple[int, tuple[list[int], list[int]]]:
        """(padded entries, halves) of a cut across one side."""
        order = sorted(examples, key=lambda example: lengths[example][side])
        least = batches // 2
        share = least / batches * sum(sum(lengths[example]) for example in order)
        place, sum_ = 0, 0.0
        while sum_ < share:
            sum_ += sum(lengths[order[place]])
            place += 1
        place = min(max(place, least), len(order) - (batches - least))
        halves = order[:place], order[place:]
        return sum(_padded(half, lengths) for half in halves), halves


def _padded(examples: Sequence[int], lengths: Sequence[Length]) -> int:
    return len(examples) * sum(max(lengths[example][side] for example in examples) for side in (0, 1))


def _cut(order: Sequence[int], work: Sequence[int], batches: int) -> list[list[int]]:
    """Runs of about the same work, none empty."""
    assert len(order) >= batches, "fewer examples than batches"
    found, whole, done, start = [], sum(work), 0, 0
    for batch in range(batches):
        end = start + 1
        done += work[start]
        while end < len(order) - (batches - batch - 1) and done + work[end] / 2 < whole * (batch + 1) / batches:
            done += work[end]
            end += 1
        if batch == batches - 1:
            end = len(order)
        found.append(list(order[start:end]))
        start = end
    return found
