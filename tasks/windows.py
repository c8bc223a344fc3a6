"""Which words of a picture are asked for: those in a window, and those that begin with some characters alone."""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import final

from unimodal.annotations import Annotation
from unimodal.codecs.spotting import SpottedWord

GRIDS = ((3, 3), (3, 1), (1, 3), (3, 2), (2, 3), (2, 2), (2, 1), (1, 2))
"""Columns and rows of the grids of which windows are cells."""
LEAST_CHARACTERS = 3
"""Of a range of first characters, where a picture has as many."""


@final
@dataclass(frozen=True)
class Window:
    """Which words are asked for: those whose centre lies in a box, and whose first character in a range."""

    left: float
    top: float
    right: float
    bottom: float
    first: str
    last: str

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right <= 1 and 0 <= self.top < self.bottom <= 1):
            box = ", ".join(f"{share:g}" for share in (self.left, self.top, self.right, self.bottom))
            raise ValueError(f"window: expected left < right and top < bottom between 0 and 1, not {box}")

    @classmethod
    def whole(cls, alphabet: str) -> "Window":
        """All words of a picture."""
        return cls(0.0, 0.0, 1.0, 1.0, alphabet[0], alphabet[-1])

    @property
    def annotation(self) -> Annotation:
        """Its box, labelled with its range."""
        left, top, right, bottom = self.left, self.top, self.right, self.bottom
        corners = ((left, top), (right, top), (right, bottom), (left, bottom))
        return Annotation(corners, f"{self.first} to {self.last}")

    def covers(self, x: float, y: float) -> bool:
        """Whether a point lies in the box, to which its border belongs."""
        return self.left <= x <= self.right and self.top <= y <= self.bottom

    def holds(self, word: SpottedWord, alphabet: str) -> bool:
        """Whether a word is asked for; both ends belong to a range."""
        return self.covers(*word.centre) and self.begins(word.text, alphabet)

    def begins(self, text: str, alphabet: str) -> bool:
        """Whether a text begins in the range, in the order of the alphabet; what begins outside it does not."""
        return alphabet.index(self.first) <= alphabet.find(text[0]) <= alphabet.index(self.last)


def draw_window(words: Sequence[SpottedWord], alphabet: str, chance: Random) -> Window:
    """As a model learns them: boxes 40 % whole pictures, 30 % cells of grids, 30 % any; characters 40 % the alphabet.

    Else the range runs between two first characters of words in the box, over three of them where there are as many.
    """
    box = Window(*_draw_box(chance), alphabet[0], alphabet[-1])
    inside = sorted({alphabet.index(word.text[0]) for word in words if box.holds(word, alphabet)})
    if not inside or chance.random() < 0.4:
        return box
    count = chance.randint(min(LEAST_CHARACTERS, len(inside)), len(inside))
    begin = chance.randint(0, len(inside) - count)
    first, last = inside[begin], inside[begin + count - 1]
    return Window(box.left, box.top, box.right, box.bottom, alphabet[first], alphabet[last])


def _draw_box(chance: Random) -> tuple[float, float, float, float]:
    kind = chance.random()
    if kind < 0.4:
        return 0.0, 0.0, 1.0, 1.0
    if kind < 0.7:
        cells = [(columns, rows, cell) for columns, rows in GRIDS for cell in range(columns * rows)]
        columns, rows, cell = chance.choice(cells)
        row, column = divmod(cell, columns)
        return column / columns, row / rows, (column + 1) / columns, (row + 1) / rows
    left, top = chance.uniform(0, 2 / 3), chance.uniform(0, 2 / 3)
    right, bottom = left + chance.uniform(1 / 3, 1), top + chance.uniform(1 / 3, 1)
    return left, top, min(right, 1.0), min(bottom, 1.0)
