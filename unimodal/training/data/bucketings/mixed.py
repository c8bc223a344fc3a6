"""Batches drawn at random."""

import heapq
from collections.abc import Sequence
from random import Random
from typing import final

from unimodal.training.data.bucketings import Bucketing, Length


@final
class Mixed(Bucketing):
    """Each batch a sample of the whole window, all with the same number of real entries; for a packer.

    The longest examples are dealt first, each to the batch that has the fewest entries (Graham 1969: longest
    processing time first), so two batches of a window differ by no more than its shortest examples can mend.
    """

    def split(self, lengths: Sequence[Length], batches: int, generator: Random) -> list[list[int]]:
        assert len(lengths) >= batches, "fewer examples than batches"
        order = generator.sample(range(len(lengths)), len(lengths))
        order.sort(key=lambda example: -sum(lengths[example]))
        # (entries, examples, batch): a batch without examples comes before one whose examples are empty
        least = [(0, 0, batch) for batch in range(batches)]
        found: list[list[int]] = [[] for _ in range(batches)]
        for example in order:
            entries, num, batch = least[0]
            found[batch].append(example)
            heapq.heapreplace(least, (entries + sum(lengths[example]), num + 1, batch))
        return generator.sample(found, len(found))
