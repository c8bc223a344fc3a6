"""Rows of examples that are about equally long on both sides, so that neither side is padded much.

A row holds the same examples in the encoder and in the decoder, and all rows of a batch are padded to the longest, so
what counts is the longest source plus the longest target (vector scheduling; Chekuri and Khanna 2004).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Length = tuple[int, int]
"""Entries of an example: (source, target)."""


def balanced_rows(lengths: Sequence[Length], num_rows: int, *, enough: float) -> list[list[int]] | None:
    """Numbers of examples for each of `num_rows` rows, of whose entries `enough` are real; None where none was found.

    Longest examples first, each to the row that it fills least; then exchanges out of the longest rows while they help.
    """
    if num_rows == 1:
        return [list(range(len(lengths)))]
    if most_real(lengths, num_rows) < enough:
        return None
    rows = _Rows(lengths, num_rows)
    while rows.real_share < enough:
        if not rows.exchange():
            return None
    return rows.examples()


def most_real(lengths: Sequence[Length], num_rows: int) -> float:
    """A bound on the share of real entries that any such rows can have."""
    sides = list(zip(*lengths, strict=True))
    longest = sum(max(max(side), -(-sum(side) // num_rows)) for side in sides)
    real = sum(sum(side) for side in sides)
    return float(real / max(1, num_rows * longest))


class _Rows:
    """Examples in rows. Behind the examples each row has an empty one, which stands for none in an exchange."""

    def __init__(self, lengths: Sequence[Length], num_rows: int) -> None:
        self._num_examples, self._num_rows = len(lengths), num_rows
        self._lengths = np.array([*lengths, *[(0, 0)] * num_rows]).T  # [side, example]
        self._row_of = np.array([0] * len(lengths) + list(range(num_rows)))
        self._loads = np.zeros((2, num_rows), dtype=np.int64)
        relative = self._lengths / np.maximum(1, self._lengths.sum(1, keepdims=True))
        loads = np.zeros((2, num_rows))
        for example in np.argsort(-relative[:, : len(lengths)].max(0), kind="stable"):
            row = int((loads + relative[:, example, None]).max(0).argmin())
            loads[:, row] += relative[:, example]
            self._put(int(example), row)

    @property
    def real_share(self) -> float:
        real, row = int(self._loads.sum()), int(self._loads.max(1).sum())
        return real / max(1, self._num_rows * row)

    def examples(self) -> list[list[int]]:
        row_of = self._row_of[: self._num_examples]
        return [np.flatnonzero(row_of == row).tolist() for row in range(self._num_rows)]

    def exchange(self) -> bool:
        """Takes the best exchange of an example of a longest row with one of another row, or with none.

        False where none makes the longest rows shorter, nor, leaving them so, two rows more even.
        """
        now = self._loads.max(1).sum()
        options = [self._best(row) for row in sorted({int(row) for row in self._loads.argmax(1)})]
        longest, uneven, given, taken = min(options)
        if (longest, uneven) >= (now, 0):
            return False
        row, other = int(self._row_of[given]), int(self._row_of[taken])
        for example, target in ((given, other), (taken, row)):
            if example < self._num_examples:
                self._loads[:, self._row_of[example]] -= self._lengths[:, example]
                self._put(example, target)
        return True

    def _best(self, row: int) -> tuple[int, int, int, int]:
        """(longest source + longest target afterwards, less even by, example given, example taken) of the best one."""
        given = np.flatnonzero(self._row_of[: self._num_examples] == row)
        taken = np.flatnonzero(self._row_of != row)
        other = self._row_of[taken]
        moved = self._lengths[:, given, None] - self._lengths[:, None, taken]  # [side, given, taken]
        here, there = self._loads[:, row, None, None], self._loads[:, None, other]
        rest = self._longest_but(row)[:, None, other]
        longest = np.maximum(rest, np.maximum(here - moved, there + moved)).sum(0)
        uneven = (2 * moved * (moved + there - here)).sum(0)
        place = int(np.lexsort((uneven.ravel(), longest.ravel()))[0])
        first, second = divmod(place, len(taken))
        return int(longest[first, second]), int(uneven[first, second]), int(given[first]), int(taken[second])

    def _longest_but(self, row: int) -> NDArray[np.int64]:
        """For each row, the longest load of either side of those that are neither it nor `row`."""
        loads = self._loads.copy()
        loads[:, row] = 0
        order = np.sort(loads, axis=1)
        return np.where(loads == order[:, -1:], order[:, -2:-1], order[:, -1:])

    def _put(self, example: int, row: int) -> None:
        self._row_of[example] = row
        self._loads[:, row] += self._lengths[:, example]
