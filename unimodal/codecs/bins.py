"""Numbers in an extent: places, times, scores."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.expressions import any_of, repeat
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary


@final
class BinCodec(Codec[list[float]]):
    """Numbers between `low` and `high`, each as the bin it falls in: [0.25] -> [loc 250] of a thousand.

    Quantised coordinates as tokens (Chen et al., 2021, arXiv:2109.10852). A bin is read as its centre, so the error is
    at most half a bin. Outside the grammar: other ids are skipped, missing numbers are the middle of the extent.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str, low: float = 0.0, high: float = 1.0, num_values: int = 1):
        if not low < high:
            raise ValueError(f"low {low} is not below high {high}")
        if num_values < 1:
            raise ValueError(f"num_values: expected at least 1, got {num_values}")
        self._space, self._ids = vocabulary.space, vocabulary.space.ids(kind)
        self._low, self._high, self._num_values = low, high, num_values

    def encode(self, obj: list[float]) -> list[int]:
        if len(obj) != self._num_values:
            raise ValueError(f"expected {self._num_values} numbers, got {len(obj)}")
        return [self._ids[bin_of((value - self._low) / (self._high - self._low), len(self._ids))] for value in obj]

    def decode(self, ids: Sequence[int]) -> list[float]:
        bins = [self._ids.index(id) for id in before_end(ids, self._space.end) if id in self._ids]
        shares = [centre(place, len(self._ids)) for place in bins] + [0.5] * self._num_values
        return [self._low + share * (self._high - self._low) for share in shares[: self._num_values]]

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        values = repeat(any_of(self._ids), self._num_values, self._num_values)
        return Automaton.compile(values, len(self._space), self._space.end)


def bin_of(share: float, num_bins: int) -> int:
    """The bin of a number between 0 and 1; 1 belongs to the last."""
    if not 0 <= share <= 1:
        raise ValueError(f"a number lies outside its extent (at {share:.4g} of 0 to 1)")
    return min(int(share * num_bins), num_bins - 1)


def centre(place: int, num_bins: int) -> float:
    """The middle of a bin, between 0 and 1."""
    return (place + 0.5) / num_bins
