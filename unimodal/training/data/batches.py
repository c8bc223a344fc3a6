"""Batches of a training run by their number, so that a run goes on exactly where it stopped."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import count
from random import Random
from typing import NamedTuple, final

from torch.utils.data import Dataset, Sampler

from unimodal.batching import Arrangement, Batch, Draw, Item, Packer
from unimodal.training.data.bucketings import Bucketing
from unimodal.training.data.items import Items, lengths
from unimodal.training.data.shards import Shards
from unimodal.training.data.streams import BATCHES_A_WINDOW, Group, Stream

PROBED = 24
"""Examples of each task that are read to learn how long its examples are."""


@final
class Collation:
    """How items become a batch: which share it, which share a row, which stack reads them.

    `entries` is what a batch holds on average, source and target together; a longer example than `longest` (either
    side) is left out. `stand_ins` has an item of each task where every batch has to have all of them.
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
        stand_ins: Sequence[Item] = (),
    ) -> None:
        self.stand_ins = tuple(stand_ins)
        self.bucketing, self.packer, self.arrangement, self.kinds = bucketing, packer, arrangement, dict(kinds)
        self.entries, self.longest = entries, longest

    def batch(self, items: list[Item]) -> Batch:
        tasks = {item.task for item in items}
        missing = [item for item in self.stand_ins if item.task not in tasks]
        batch = self.arrangement.batch([*items, *missing], self.packer, self.kinds)
        return replace(batch, num_stand_ins=sum(1 + len(item.also) for item in missing))


def shortest(items: Items) -> list[Item]:
    """The shortest of a few examples of each task."""
    probed = [[items.get(task, number) for number in _probed(items, task)] for task in items.sizes]
    return [min(some, key=lambda item: sum(lengths(item))) for some in probed]


def mean_entries(items: Items) -> dict[str, float]:
    """Entries of an example of each task, measured on a few."""
    means = {}
    for task in items.sizes:
        chosen = _probed(items, task)
        means[task] = sum(sum(lengths(items.get(task, number))) for number in chosen) / len(chosen)
    return means


def _probed(items: Items, task: str) -> list[int]:
    size = items.sizes[task]
    return Random(0).sample(range(size), min(PROBED, size))


class _Window(NamedTuple):
    batches: list[list[tuple[Draw, Item]]]
    left_out: tuple[Draw, ...]


@final
class TrainingBatches(Dataset[Batch]):
    """Batch number n of one process, a pure function of (stream, shard, n's place in the shard).

    Two windows of a shard are open at a time and take turns, so that two workers that take turns open one each.
    """

    def __init__(self, items: Items, stream: Stream, collation: Collation, shards: Shards, *, seed: int) -> None:
        self.items, self.stream, self.collation, self.shards = items, stream, collation, shards
        self.seed = seed
        self._open: dict[tuple[int, int], _Window] = {}

    def __getitem__(self, number: int) -> Batch:
        shard, turn = self.shards.place(number)
        pair, place = divmod(turn, 2 * BATCHES_A_WINDOW)
        window = self._window(shard, 2 * pair + place % 2)
        draws, items = zip(*window.batches[place // 2], strict=True)
        left_out = window.left_out if place < 2 else ()
        return replace(self.collation.batch(list(items)), draws=draws, left_out=left_out)

    def _window(self, shard: int, number: int) -> _Window:
        if (shard, number) not in self._open:
            self._open = {kept: self._open[kept] for kept in list(self._open)[1 - 2 * self.shards.own :]}
            generator = Random(f"{self.seed} batches {shard} {number}")
            window = _Window([], ())
            for group in self.stream.window(shard, number):
                cut = self._cut(group, generator)
                window = _Window(window.batches + cut.batches, window.left_out + cut.left_out)
            generator.shuffle(window.batches)
            self._open[shard, number] = window
        return self._open[shard, number]

    def _cut(self, group: Group, generator: Random) -> _Window:
        drawn = [(draw, self.items.get(draw.task, draw.example)) for draw in group.draws]
        kept = [(draw, item) for draw, item in drawn if max(lengths(item)) <= self.collation.longest]
        if len(kept) < group.batches:
            longest, tasks = self.collation.longest, ", ".join(sorted({draw.task for draw in group.draws}))
            raise ValueError(f"longest: hardly any example of {tasks} has {longest} entries or fewer")
        split = self.collation.bucketing.split([lengths(item) for _, item in kept], group.batches, generator)
        left_out = tuple(draw for draw, item in drawn if max(lengths(item)) > self.collation.longest)
        return _Window([[kept[example] for example in examples] for examples in split], left_out)


@final
class CountingSampler(Sampler[int]):
    """The numbers from `first` on, without end."""

    def __init__(self, first: int) -> None:
        self.first = first

    def __iter__(self) -> Iterator[int]:
        return count(self.first)


@final
class EvaluationBatches(Dataset[Batch]):
    """The first examples of every task, once, short ones with short ones; each batch is of one task.

    The batches are those of one process, dealt out in turns, so that any number of processes measures the same. Where
    they do not come out even, some processes take their last one again, uncounted: all take as many steps, as sharded
    parameters ask. Every process learns the lengths of all examples.
    """

    def __init__(self, items: Items, collation: Collation, *, most: int, rank: int = 0, ranks: int = 1) -> None:
        self.items, self.collation, self.rank, self.ranks = items, collation, rank, ranks
        self.batches: list[list[tuple[str, int]]] = []
        for task, size in items.sizes.items():
            self.batches += self._cut(task, range(min(size, most)))

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
        return -(-len(self.batches) // self.ranks)

    def __getitem__(self, number: int) -> Batch:
        place = number * self.ranks + self.rank
        examples = self.batches[min(place, len(self.batches) - 1)]
        batch = self.collation.batch([self.items.get(task, example) for task, example in examples])
        return replace(batch, counted=place < len(self.batches))
