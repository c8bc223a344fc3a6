"""Points in an image."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.bins import bin_of, centre
from unimodal.expressions import any_of, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary

Point = tuple[float, float]
"""(x, y) in shares of an image's width and height, from its upper left corner."""


@final
class PointCodec(Codec[list[Point]]):
    """Any number of points, or so many: (0.1, 0.2), (0.5, 0.9) -> [loc 100, 200, 500, 900] of a thousand.

    Where words stand, in the order in which they are given, and the vertices of an outline (Wan et al. 2024,
    arXiv:2403.19128). A bin is read as its centre. Outside the grammar: other ids are skipped, a last x without its y
    too, points too many are cut, and the last one stands for those that are missing (the middle, where there is none).
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "loc", least: int = 0, most: int | None = None):
        if least < 0 or (most is not None and most < least):
            raise ValueError(f"least {least} and most {most} leave no number of points")
        self._space, self._ids = vocabulary.space, vocabulary.space.ids(kind)
        self._least, self._most = least, most

    def encode(self, obj: list[Point]) -> list[int]:
        if len(obj) < self._least or (self._most is not None and len(obj) > self._most):
            raise ValueError(f"expected {self._least} to {self._most} points, got {len(obj)}")
        return [self._ids[bin_of(share, len(self._ids))] for point in obj for share in point]

    def decode(self, ids: Sequence[int]) -> list[Point]:
        bins = [self._ids.index(id) for id in before_end(ids, self._space.end) if id in self._ids]
        shares = [centre(place, len(self._ids)) for place in bins]
        points = list(zip(shares[::2], shares[1::2], strict=False))[: self._most]
        middle = centre(len(self._ids) // 2, len(self._ids))
        last = points[-1] if points else (middle, middle)
        return points + [last] * (self._least - len(points))

    def snapped(self, points: Sequence[Point]) -> list[Point]:
        """The same points where their tokens say that they are: the answers that can be given exactly."""
        return self.decode(self.encode([*points]))

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        share = any_of(self._ids)
        points = repeat(sequence(share, share), self._least, self._most)
        return Automaton.compile(points, len(self._space), self._space.end)
