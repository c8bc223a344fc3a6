"""Written sentences -> what is heard of them: the form in which speech is taught and scored."""

import re
import unicodedata
from collections.abc import Mapping

NUMERALS: Mapping[str, tuple[str, ...]] = {
    "en": ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),
    "fr": ("zéro", "un", "deux", "trois", "quatre", "cinq", "six", "sept", "huit", "neuf"),
}
"""Figures as words, by language."""
SIGNS: Mapping[str, Mapping[str, str]] = {
    "en": {"*": "star", "#": "pound", "&": "and", "%": "percent", "+": "plus", "@": "at"},
    "fr": {"*": "étoile", "#": "dièse", "&": "et", "%": "pour cent", "+": "plus", "@": "arobase"},
}
_ASIDE = re.compile(r"\[[^]]*\]|\([^)]*\)|<[^>]*>")


def spoken_form(text: str, language: str) -> str:
    """Lower case words parted by single spaces: figures one by one as words, asides and punctuation left out.

    `spoken_form("Press 1 (or #), don't wait.", "en")` is `"press one don't wait"`. An apostrophe within a word stays.
    A language without numerals here keeps its figures.
    """
    text = unicodedata.normalize("NFC", _ASIDE.sub(" ", text).replace("’", "'")).lower()
    for sign, word in SIGNS.get(language, {}).items():
        text = text.replace(sign, f" {word} ")
    for figure, word in enumerate(NUMERALS.get(language, ())):
        text = text.replace(str(figure), f" {word} ")
    words = "".join(letter if letter.isalnum() or letter == "'" else " " for letter in text).split()
    return " ".join(bare for word in words if (bare := word.strip("'")))
