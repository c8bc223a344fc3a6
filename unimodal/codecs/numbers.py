"""Decimal numbers."""

import math
import re
from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.digits import sign_ids
from unimodal.expressions import Expression, any_of, choice, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary

_NUMBER = re.compile(r"\s*(-?\d+(\.\d+)?)", re.ASCII)


@final
class NumberCodec(Codec[float]):
    """A number in its shortest decimal writing, one text piece a sign: -12.50 -> the ids of "-", "1", "2", ".", "5".

    Rounded to `num_decimals`; up to `max_digits` before the point (15 significant digits at most, those of a float).
    Outside the grammar: the number that the text begins with, NaN where it begins with none.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_digits: int = 12, num_decimals: int = 2):
        if max_digits < 1 or num_decimals < 0 or max_digits + num_decimals > 15:
            raise ValueError(f"max_digits {max_digits} and num_decimals {num_decimals} are not 1 to 15 digits together")
        self._vocabulary, self._max_digits, self._num_decimals = vocabulary, max_digits, num_decimals
        self._ids = sign_ids(vocabulary, "0123456789.-")

    def encode(self, obj: float) -> list[int]:
        text = f"{obj:.{self._num_decimals}f}"
        if not math.isfinite(obj) or len(text.partition(".")[0].lstrip("-")) > self._max_digits:
            raise ValueError(f"{obj} is no number of up to {self._max_digits} digits")
        text = text.rstrip("0").rstrip(".") if "." in text else text
        return [self._ids[sign] for sign in ("0" if text == "-0" else text)]

    def decode(self, ids: Sequence[int]) -> float:
        text = self._vocabulary.pieces.decode(before_end(ids, self._vocabulary.space.end))
        number = _NUMBER.match(text)
        return float(number[1]) if number else math.nan

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        digit, nonzero = self._any("0123456789"), self._any("123456789")
        fractions = [
            sequence(self._any("."), repeat(digit, 0, self._num_decimals - 1), nonzero)
            for _ in range(min(self._num_decimals, 1))
        ]
        whole = sequence(nonzero, repeat(digit, 0, self._max_digits - 1))
        forms = [whole, *(sequence(choice(whole, self._any("0")), fraction) for fraction in fractions)]
        signed = sequence(repeat(self._any("-"), 0, 1), choice(*forms))
        space = self._vocabulary.space
        return Automaton.compile(choice(self._any("0"), signed), len(space), space.end)

    def _any(self, signs: str) -> Expression:
        return any_of(self._ids[sign] for sign in signs)
