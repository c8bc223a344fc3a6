"""Boxes in an image.

b batch, v vocabulary
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.codecs import Codec, before_end
from unimodal.codecs.bins import bin_of, centre
from unimodal.grammar import DEAD, NEVER, Grammar
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
        return OrderedCorners(self._ids, len(self._space), self._space.end)


@final
class OrderedCorners(Grammar):
    """Four bins of which the third is not below the first, nor the fourth below the second, then the end token.

    An explicit table would need bins x bins states, so the state is computed: (slot x bins + a) x bins + b, where a is
    the least bin for the next slot and b for the one after it. Slots count what has been read, the end included.
    """

    def __init__(self, ids: range, size: int, end: int):
        self._ids, self._size, self._end = ids, size, end

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return torch.zeros(rows, dtype=torch.long, device=device)

    def allowed(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b v"]:
        slot, least, _ = self._unpack(state)
        tokens = torch.arange(self._size, device=state.device)
        in_range = (tokens >= self._ids.start + least[..., None]) & (tokens < self._ids.stop)
        reads_bin = (state >= 0) & (slot < _NUM_SLOTS)
        allowed = (in_range & reads_bin[..., None]) | ((tokens == self._end) & (slot == _NUM_SLOTS)[..., None])
        return allowed if within is None else allowed & (self.distance(state) <= within)[..., None]

    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        slot, least, following = self._unpack(state)
        place = token - self._ids.start
        is_bin = (state >= 0) & (slot < _NUM_SLOTS) & (place >= least) & (place < len(self._ids))
        # Only the first two bins bound later ones.
        bound = torch.where(slot < 2, place, 0)
        after_bin = ((slot + 1) * len(self._ids) + following) * len(self._ids) + bound
        done = torch.full_like(state, (_NUM_SLOTS + 1) * len(self._ids) ** 2)
        ends = (slot == _NUM_SLOTS) & (token == self._end)
        return torch.where(is_bin, after_bin, torch.where(ends, done, DEAD))

    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        return self._unpack(state)[0] == _NUM_SLOTS + 1

    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        return torch.where(state == DEAD, NEVER, _NUM_SLOTS + 1 - self._unpack(state)[0])

    def _unpack(self, state: Int[Tensor, "*b"]) -> tuple[Int[Tensor, "*b"], Int[Tensor, "*b"], Int[Tensor, "*b"]]:
        bins = len(self._ids)
        return state // bins**2, state // bins % bins, state % bins
