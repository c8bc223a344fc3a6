"""Batches of examples that are alike."""

import bisect
import itertools
from collections.abc import Sequence
from random import Random
from typing import final

from unimodal.training.data.bucketings import Bucketing, Length

SLACK = 0.5
"""Share of a batch's work by which batches may differ where that saves padding."""


@final
class ByLength(Bucketing):
    """Batches of examples that are alike in both lengths, for one example a row.

    The window is divided again and again, across the side (source or target) and at the place that leave the least
    padding, so that speech in and speech out never pad each other.
    """

    def split(self, lengths: Sequence[Length], batches: int, generator: Random) -> list[list[int]]:
        order = generator.sample(range(len(lengths)), len(lengths))
        found = _divide(order, lengths, batches)
        return generator.sample(found, len(found))


def _divide(examples: Sequence[int], lengths: Sequence[Length], batches: int) -> list[list[int]]:
    """Batches of about the same work, cut where two parts are padded least."""
    if batches == 1:
        return [list(examples)]
    least: tuple[int, int, list[int], list[int]] | None = None
    for side in (0, 1):
        order = sorted(examples, key=lambda example: (lengths[example][side], lengths[example][1 - side]))
        before, after = _padded(order, lengths), _padded(order[::-1], lengths)[::-1]
        work = list(itertools.accumulate(sum(lengths[example]) for example in order))
        for first in range(1, batches):
            fewest, most = first, len(order) - (batches - first)
            begin, end = (bisect.bisect(work, (first + slack) / batches * work[-1]) for slack in (-SLACK, SLACK))
            for place in range(min(max(begin, fewest), most), min(max(end, fewest), most) + 1):
                padding = before[place - 1] + after[place]
                if least is None or padding < least[0]:
                    least = padding, first, order[:place], order[place:]
    assert least is not None
    _, first, head, tail = least
    return _divide(head, lengths, first) + _divide(tail, lengths, batches - first)


def _padded(order: Sequence[int], lengths: Sequence[Length]) -> list[int]:
    """Entries of the first 1, 2, ... examples, each as long as the longest on either side."""
    sources = itertools.accumulate((lengths[example][0] for example in order), max)
    targets = itertools.accumulate((lengths[example][1] for example in order), max)
    longest = zip(sources, targets, strict=True)
    return [count * (source + target) for count, (source, target) in enumerate(longest, start=1)]
