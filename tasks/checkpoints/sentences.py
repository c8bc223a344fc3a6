"""Long texts in pieces that a checkpoint can read at once."""

import re
from collections.abc import Callable, Sequence

_ENDS = [
    re.compile(r"(?<=[.!?…])\s+|(?<=[。！？])|\n+"),
    re.compile(r"\s+"),
    re.compile(r""),
]
"""Where a text is cut: behind sentences; a sentence that is too long, between words; such a word, anywhere."""


def cut(text: str, fits: Callable[[str], bool], *, level: int = 0) -> list[str]:
    """The text in as few pieces as sentences allow, none of them blank; itself where it fits.

    `fits` says whether a piece can be read. Raises ValueError where not even one letter can.
    """
    if fits(text):
        return [text]
    if level == len(_ENDS):
        raise ValueError("the checkpoint cannot read a single letter beside what stands around it")
    units = _units(text, _ENDS[level])
    pieces: list[str] = []
    while units:
        count = _most(units, fits)
        if count:
            pieces.append("".join(units[:count]).strip())
        else:
            pieces += cut(units[0].strip(), fits, level=level + 1)
        units = units[max(count, 1) :]
    return [piece for piece in pieces if piece]


def _units(text: str, end: re.Pattern[str]) -> list[str]:
    """The text cut behind every end; together the units are the text."""
    places = [match.end() for match in end.finditer(text)]
    return [text[first:last] for first, last in zip([0, *places], [*places, len(text)], strict=True) if first < last]


def _most(units: Sequence[str], fits: Callable[[str], bool]) -> int:
    """How many of the first units fit together: doubled until they do not, then halved in between."""

    def do(count: int) -> bool:
        return fits("".join(units[:count]).strip())

    most, tried = 0, 1
    while tried <= len(units) and do(tried):
        most, tried = tried, 2 * tried
    too_many = min(tried, len(units) + 1)
    while too_many - most > 1:
        middle = (most + too_many) // 2
        most, too_many = (middle, too_many) if do(middle) else (most, middle)
    return most
