"""Free text."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.expressions import Expression, any_of, choice, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary

# Table 3-7 of the Unicode standard: the byte ranges of well-formed UTF-8, one row a form.
_UTF8 = (
    ((0x00, 0x7F),),
    ((0xC2, 0xDF), (0x80, 0xBF)),
    ((0xE0, 0xE0), (0xA0, 0xBF), (0x80, 0xBF)),
    ((0xE1, 0xEC), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xED, 0xED), (0x80, 0x9F), (0x80, 0xBF)),
    ((0xEE, 0xEF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF0, 0xF0), (0x90, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF1, 0xF3), (0x80, 0xBF), (0x80, 0xBF), (0x80, 0xBF)),
    ((0xF4, 0xF4), (0x80, 0x8F), (0x80, 0xBF), (0x80, 0xBF)),
)


@final
class TextCodec(Codec[str]):
    """Any text as text pieces: "a red cat" -> the ids of "a", " red", " c", "at", say.

    The grammar allows every spelling of well-formed UTF-8. Outside it: ids that are no text are skipped, broken bytes
    become U+FFFD.
    """

    def __init__(self, vocabulary: Vocabulary):
        self._vocabulary = vocabulary

    def encode(self, obj: str) -> list[int]:
        return self._vocabulary.pieces.encode(obj)

    def decode(self, ids: Sequence[int]) -> str:
        return self._vocabulary.pieces.decode(before_end(ids, self._vocabulary.space.end))

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        space = self._vocabulary.space
        return Automaton.compile(repeat(character(self._vocabulary)), len(space), space.end)


def character(vocabulary: Vocabulary) -> Expression:
    """One piece of well-formed UTF-8, or the bytes of one character."""
    pieces, text = vocabulary.pieces, vocabulary.space.ids("text")
    whole = [id for id in text if len(pieces.bytes_of(id)) > 1]

    def one_of(low: int, high: int) -> Expression:
        return any_of(id for id in text if len(pieces.bytes_of(id)) == 1 and low <= pieces.bytes_of(id)[0] <= high)

    return choice(any_of(whole), *(sequence(*(one_of(*bounds) for bounds in form)) for form in _UTF8))
