"""Text a character at a time, as what is heard is written."""

from collections.abc import Sequence
from typing import final

from unimodal.codecs import Codec
from unimodal.codecs.text import TextCodec
from unimodal.grammars import Grammar
from unimodal.vocabulary import Vocabulary


@final
class CharacterCodec(Codec[str]):
    """Any text as the pieces of its single characters: "a cat" -> the ids of "a", " ", "c", "a" and "t".

    A few minutes of speech say every letter often, and few words at all. Grammar and decoding are those of `TextCodec`,
    since a longer piece spells the same text.
    """

    def __init__(self, vocabulary: Vocabulary):
        self._pieces = vocabulary.pieces
        self._text = TextCodec(vocabulary)

    def encode(self, obj: str) -> list[int]:
        return self._pieces.spell(obj)

    def decode(self, ids: Sequence[int]) -> str:
        return self._text.decode(ids)

    def grammar(self) -> Grammar:
        return self._text.grammar()
