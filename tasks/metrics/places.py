"""How well things are found in pictures: points, outlines, and words with what they say.

p pairs, n predictions and m references of a picture
"""

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, final

import numpy as np
from jaxtyping import Bool, Float

from unimodal.codecs.points import Point
from unimodal.codecs.spotting import SpottedWord
from unimodal.codecs.tables import Cell
from unimodal.tasks.metrics import Mean, Metric, paired, require


class FoundF1(Metric):
    """F1 of what is found, over all pictures; each reference is found once at most; abstract.

    2 * matched / (predicted + true); a set of pictures with nothing to be found, and nothing found, has 1.
    """

    higher_is_better = True

    @final
    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 2"]:
        return np.array([self._counts(*pair) for pair in zip(predictions, references, strict=True)], dtype=float)

    @final
    def score(self, tally: Float[np.ndarray, "p 2"]) -> float:
        matched, total = tally.sum(0)
        return float(2 * matched / total) if total else 1.0

    @final
    def _counts(self, found: Any, expected: Any) -> tuple[int, int]:
        optimize = require("scipy.optimize", extra="evaluate")
        alike = self.alike(found, expected)
        rows, columns = optimize.linear_sum_assignment(~alike)
        return int(alike[rows, columns].sum()), len(found) + len(expected)

    @abstractmethod
    def alike(self, found: Sequence[Any], expected: Sequence[Any]) -> Bool[np.ndarray, "n m"]:
        """Which predictions may stand for which references."""


@final
class PointF1(FoundF1):
    """A point counts as found where a prediction lies within `tolerance` of it, in shares of the picture's sides."""

    name = "point F1"

    def __init__(self, *, tolerance: float = 0.05) -> None:
        self._tolerance = tolerance

    def alike(self, found: Sequence[Point], expected: Sequence[Point]) -> Bool[np.ndarray, "n m"]:
        one, other = (np.array(points, dtype=float).reshape(-1, 2) for points in (found, expected))
        distances = np.linalg.norm(one[:, None] - other[None], axis=-1)
        return np.asarray(distances <= self._tolerance)


@final
class CellF1(FoundF1):
    """A cell counts as found where one covers the same rows and columns, and its text stands within `tolerance`.

    Distances are shares of the picture's sides; a cell without a text is found where one without a text is.
    """

    name = "cell F1"

    def __init__(self, *, tolerance: float = 0.05) -> None:
        self._near = PointF1(tolerance=tolerance).alike

    def alike(
        self, found: Sequence[Cell[list[Point]]], expected: Sequence[Cell[list[Point]]]
    ) -> Bool[np.ndarray, "n m"]:
        return np.array(
            [[self._is_found(one, other) for other in expected] for one in found],
            dtype=bool,
        ).reshape(len(found), len(expected))

    def _is_found(self, one: Cell[list[Point]], other: Cell[list[Point]]) -> bool:
        if one.holding(None) != other.holding(None) or len(one.content) != len(other.content):
            return False
        return bool(self._near(one.content, other.content).all())


@final
class SpottingF1(FoundF1):
    """End-to-end F1: a word counts as found where one that says the same overlaps it by half at least.

    Letters count as they are, capitals too; the overlap is intersection over union of the outlines.
    """

    name = "end-to-end F1"

    def __init__(self, *, overlap: float = 0.5) -> None:
        self._overlap = overlap

    def alike(self, found: Sequence[SpottedWord], expected: Sequence[SpottedWord]) -> Bool[np.ndarray, "n m"]:
        return np.array(
            [
                [one.text == other.text and overlap(one.outline, other.outline) >= self._overlap for other in expected]
                for one in found
            ],
            dtype=bool,
        ).reshape(len(found), len(expected))


@final
class OutlineOverlap(Mean):
    """Mean intersection over union of outlines."""

    name = "overlap"
    higher_is_better = True

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        return paired(overlap, predictions, references)


def overlap(one: Sequence[Point], other: Sequence[Point]) -> float:
    """Intersection over union of two polygons; of one that crosses itself, its parts count; without an area, 0."""
    shapely = require("shapely", extra="evaluate")
    first, second = (shapely.make_valid(shapely.Polygon(outline)) for outline in (one, other))
    union = first.union(second).area
    return float(first.intersection(second).area / union) if union else 0.0
