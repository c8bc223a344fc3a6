"""Batches of a training run by their number, so that a run goes on exactly where it stopped."""

from collections.abc import Iterator, Mapping
from itertools import count
from random import Random
from typing import final

from torch.utils.data import Dataset, Sampler

from unimodal.batching import Arrangement, Batch, Item, Packer
from unimodal.training.bucketing import Bucketing
from unimodal.training.items import Items, lengths
from unimodal.training.mixture import Stream
from unimodal.training.shards import Shards

BATCHES_A_WINDOW = 16
PROBED = 24
"""Examples of each task that are read to learn how long its examples are."""


@final
class Collation:
    """How items become a batch: which share it, which share a row, which stack reads them.

    `entries` is what a batch holds on average, source and target together; a longer example than `longest` (either
    side) is left out.
    """

    def __init__(
        self,
        bucketing: Bucketing,
        *,
        packer: Packer,
        arrangement: Arrangement,
        kinds: Mapping[str, int],
        entries: int,
        longest: int,
    ) -> None:
        self.bucketing, self.packer, self.arrangement, self.kinds = bucketing, packer, arrangement, dict(kinds)
        self.entries, self.longest = entries, longest

    def batch(self, items: list[Item]) -> Batch:
        return self.arrangement.batch(items, self.packer, self.kinds)

    def window(self, mean_entries: float) -> int:
        """Examples of a window whose batches hold `entries` on average."""
        return max(BATCHES_A_WINDOW, round(BATCHES_A_WINDOW * self.entries / mean_entries))


def mean_entries(items: Items, shares: Mapping[str, float]) -> float:
    """Entries of an example of the mixture, measured on a few of each task."""
    means = {}
    for task, size in items.sizes.items():
        chosen = Random(0).sample(range(size), min(PROBED, size))
        means[task] = sum(sum(lengths(items.get(task, number))) for number in chosen) / len(chosen)
    return sum(shares[task] * means[task] for task in means)


@final
class TrainingBatches(Dataset[Batch]):
    """Batch number n of one process, a pure function of (stream, shard, n's place in the shard).

    Two windows of a shard are open at a time and take turns, so that two workers that take turns open one each.
    """

    def __init__(self, items: Items, stream: Stream, collation: Collation, shards: Shards) -> None:
        self.items, self.stream, self.collation, self.shards = items, stream, collation, shards
        self._open: dict[int, list[list[Item]]] = {}

    def __getitem__(self, number: int) -> Batch:
        shard, turn = self.shards.place(number)
        pair, place = divmod(turn, 2 * BATCHES_A_WINDOW)
        window = (2 * pair + place % 2) * self.shards.total + shard
        return self.collation.batch(self._batches(window)[place // 2])

    def _batches(self, window: int) -> list[list[Item]]:
        if window not in self._open:
            items = [self.items.get(task, number) for task, number in self.stream.window(window)]
            items = [item for item in items if max(lengths(item)) <= self.collation.longest]
            if len(items) < BATCHES_A_WINDOW:
                raise ValueError(f"longest: hardly any example has {self.collation.longest} entries or fewer")
            generator = Random(f"{self.stream.seed} batches {window}")
            split = self.collation.bucketing.split([lengths(item) for item in items], BATCHES_A_WINDOW, generator)
            self._open = {kept: self._open[kept] for kept in list(self._open)[1 - 2 * self.shards.own :]}
            self._open[window] = [[items[example] for example in examples] for examples in split]
        return self._open[window]


@final
class CountingSampler(Sampler[int]):
    """The numbers from `first` on, without end."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


@final
class EvaluationBatches(Dataset[Batch]):
    """The first examples of every task, once, short ones with short ones; each batch is of one task."""

    def __init__(self, items: Items, collation: Collation, *, most: int, rank: int = 0, ranks: int = 1) -> None:
        self.items, self.collation = items, collation
        self.batches: list[list[tuple[str, int]]] = []
        for task, size in items.sizes.items():
            self.batches += self._cut(task, range(rank, min(size, most), ranks))

    def _cut(self, task: str, numbers: range) -> Iterator[list[tuple[str, int]]]:
        sizes = {number: lengths(self.items.get(task, number)) for number in numbers}
        batch: list[tuple[str, int]] = []
        for number in sorted(sizes, key=lambda number: sizes[number]):
            if max(sizes[number]) > self.collation.longest:
                continue
            if batch and (len(batch) + 1) * sum(sizes[number]) > self.collation.entries:
                yield batch
                batch = []
            batch.append((task, number))
        if batch:
            yield batch

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, number: int) -> Batch:
        return self.collation.batch([self.items.get(task, example) for task, example in self.batches[number]])
