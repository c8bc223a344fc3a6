"""Sequences of discrete units: of speech, of an image, of motion."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.expressions import any_of, repeat
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary


@final
class UnitCodec(Codec[list[int]]):
    """Unit numbers as ids of their kind: [3, 3, 17] -> [unit 3, unit 3, unit 17].

    Outside the grammar: other ids are skipped.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "unit"):
        self._space, self._ids = vocabulary.space, vocabulary.space.ids(kind)

    def encode(self, obj: list[int]) -> list[int]:
        for unit in obj:
            if not 0 <= unit < len(self._ids):
                raise ValueError(f"there are {len(self._ids)} units, so no unit {unit}")
        return [self._ids[unit] for unit in obj]

    def decode(self, ids: Sequence[int]) -> list[int]:
        return [self._ids.index(id) for id in before_end(ids, self._space.end) if id in self._ids]

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton.compile(repeat(any_of(self._ids)), len(self._space), self._space.end)
