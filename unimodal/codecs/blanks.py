"""Text with blanks in it, for tasks that fill them in."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.text import character
from unimodal.expressions import any_of, choice, repeat
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary

BLANK = "___"
"""A blank as people write it."""


@final
class BlankCodec(Codec[str]):
    """Another codec's text in which blanks are marks: "a ___ cat" -> the ids of "a ", the first mark, those of " cat".

    `marks` are taken in turn, the last one for all blanks that are left. A mark out of turn is read as a blank too;
    otherwise as the other codec says.
    """

    def __init__(self, vocabulary: Vocabulary, *, codec: Codec[str], marks: Sequence[int]):
        if not marks:
            raise ValueError("marks: expected at least one")
        self._vocabulary, self._codec, self._marks = vocabulary, codec, list(marks)

    def encode(self, obj: str) -> list[int]:
        first, *others = obj.split(BLANK)
        ids = self._codec.encode(first)
        for place, part in enumerate(others):
            ids += [self._marks[min(place, len(self._marks) - 1)], *self._codec.encode(part)]
        return ids

    def decode(self, ids: Sequence[int]) -> str:
        parts: list[list[int]] = [[]]
        for id in before_end(ids, self._vocabulary.space.end):
            if id in self._marks:
                parts.append([])
            else:
                parts[-1].append(id)
        return BLANK.join(map(self._codec.decode, parts))

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        space = self._vocabulary.space
        written = repeat(choice(character(self._vocabulary), any_of(set(self._marks))))
        return Automaton.compile(written, len(space), space.end)
