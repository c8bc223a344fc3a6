"""Boxes in an image."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.bins import bin_of, centre
from unimodal.expressions import literal
from unimodal.grammars import Grammar
from unimodal.grammars.ordered import Ordered, Slot
from unimodal.vocabulary import Vocabulary

Box = tuple[float, float, float, float]
_NUM_SLOTS = 4


@final
class BoxCodec(Codec[Box]):
    """(left, top, right, bottom) in shares of the image: (0.1, 0.2, 0.5, 0.9) -> [loc 100, 200, 500, 900].

    Corners as quantised tokens (Chen et al., 2021, arXiv:2109.10852; here x comes before y). Outside the grammar: other
    ids are skipped, missing numbers are the right or lower border of the image, corners are put in order.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "loc"):
        self._space, self._ids = vocabulary.space, vocabulary.space.ids(kind)

    def encode(self, obj: Box) -> list[int]:
        left, top, right, bottom = obj
        if left > right or top > bottom:
            raise ValueError(f"box {obj}: expected left, top, right, bottom, each pair in order")
        return [self._ids[bin_of(share, len(self._ids))] for share in obj]

    def decode(self, ids: Sequence[int]) -> Box:
        bins = [self._ids.index(id) for id in before_end(ids, self._space.end) if id in self._ids]
        a, b, c, d = (bins + [len(self._ids) - 1] * _NUM_SLOTS)[:_NUM_SLOTS]
        left, top, right, bottom = (
            centre(place, len(self._ids)) for place in (min(a, c), min(b, d), max(a, c), max(b, d))
        )
        return left, top, right, bottom

    def grammar(self) -> Grammar:
        return self._ordered

    @cached_property
    def _ordered(self) -> Ordered:
        size = len(self._space)
        corners = literal(range(size, size + _NUM_SLOTS))
        slots = [Slot(kept=0), Slot(kept=1), Slot(least=0), Slot(least=1)]
        return Ordered.compile(corners, slots=slots, bins=self._ids, size=size, end=self._space.end)
