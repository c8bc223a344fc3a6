"""Places in a picture: points, outlines, and words that stand there."""

from collections.abc import Mapping, Sequence
from typing import final

from unimodal.annotations import Annotation
from unimodal.codecs.points import Point
from unimodal.codecs.spotting import NUM_VERTICES, SpottedWord
from unimodal.data.columns import string
from unimodal.tasks.columns import Files, Places


@final
class Place(Places):
    """One point: its x and y."""

    wants = "a point [x, y] in shares of the picture, from 0 to 1"
    sample = (0.25, 0.5)

    def read(self, value: object, files: Files) -> Point:
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise ValueError(f"expected {self.wants}")
        x, y = value
        if any(isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1 for share in value):
            raise ValueError(f"expected {self.wants}")
        return float(x), float(y)

    def annotations(self, value: Point) -> list[Annotation]:
        return [Annotation((value,))]


@final
class Points(Places):
    """Points in their order: any number of places, or so many vertices of one outline."""

    def __init__(self, num: int | None = None) -> None:
        self._num = num
        self.wants = f"{'a list of' if num is None else num} points [x, y] in shares of the picture"
        self.sample = [[0.25, 0.5]] * (num or 1)

    def read(self, value: object, files: Files) -> list[Point]:
        if not isinstance(value, list) or (self._num is not None and len(value) != self._num):
            raise ValueError(f"expected {self.wants}")
        place = Place()
        return [place.read(point, files) for point in value]

    def annotations(self, value: Sequence[Point]) -> list[Annotation]:
        return [Annotation((point,)) for point in value] if self._num is None else [Annotation(tuple(value))]


@final
class Words(Places):
    """Words, each with what it says and its outline."""

    wants = f'a list of {{"text": ..., "outline": [{NUM_VERTICES} points [x, y]]}}'
    sample = ({"text": "Total", "outline": [[0.25, 0.5]] * NUM_VERTICES},)

    def read(self, value: object, files: Files) -> list[SpottedWord]:
        if not isinstance(value, list | tuple):
            raise ValueError(f"expected {self.wants}")
        return [self._word(row, files) for row in value]

    def annotations(self, value: Sequence[SpottedWord]) -> list[Annotation]:
        return [Annotation(word.outline, word.text) for word in value]

    def _word(self, row: object, files: Files) -> SpottedWord:
        if not isinstance(row, Mapping) or not {"text", "outline"} <= row.keys():
            raise ValueError(f"expected {self.wants}")
        outline = Points(NUM_VERTICES).read(row["outline"], files)
        return SpottedWord(string(row["text"], "a word"), tuple(outline))
