"""Strings of digits: house numbers, codes, digits read aloud."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.expressions import any_of, repeat
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary


@final
class DigitCodec(Codec[str]):
    """A string of digits, one text piece a digit: "0042" -> the ids of "0", "0", "4", "2".

    Outside the grammar: what is no digit is skipped, and what comes after the most digits is cut.
    """

    def __init__(self, vocabulary: Vocabulary, *, min_digits: int = 1, max_digits: int = 16):
        if not 0 <= min_digits <= max_digits:
            raise ValueError(f"min_digits {min_digits} and max_digits {max_digits} leave no length")
        self._space, self._min_digits, self._max_digits = vocabulary.space, min_digits, max_digits
        self._ids = sign_ids(vocabulary, "0123456789")
        self._digits = {id: digit for digit, id in self._ids.items()}

    def encode(self, obj: str) -> list[int]:
        if not (self._min_digits <= len(obj) <= self._max_digits and all(sign in self._ids for sign in obj)):
            raise ValueError(f"'{obj}' is no string of {self._min_digits} to {self._max_digits} digits")
        return [self._ids[digit] for digit in obj]

    def decode(self, ids: Sequence[int]) -> str:
        digits = [self._digits[id] for id in before_end(ids, self._space.end) if id in self._digits]
        return "".join(digits[: self._max_digits])

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        digits = repeat(any_of(self._digits), self._min_digits, self._max_digits)
        return Automaton.compile(digits, len(self._space), self._space.end)


def sign_ids(vocabulary: Vocabulary, signs: str) -> dict[str, int]:
    """The one id of each ASCII sign: its piece, or its byte."""
    ids = {sign: vocabulary.pieces.encode(sign) for sign in signs}
    assert all(len(spelled) == 1 for spelled in ids.values()), "an ASCII sign is one piece or one byte"
    return {sign: spelled[0] for sign, spelled in ids.items()}
