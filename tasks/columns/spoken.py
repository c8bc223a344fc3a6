"""Text as it is heard."""

from typing import final

from unimodal.data.columns import string
from unimodal.tasks.columns import Column, Files
from unimodal.tasks.transcripts import spoken_form


@final
class Spoken(Column):
    """What is said in some speech: read in lower case, figures as words, punctuation left out."""

    def __init__(self, language: str, *, sample: str, wants: str = "what is said") -> None:
        self.language, self.sample, self.wants = language, sample, wants

    def read(self, value: object, files: Files) -> str:
        heard = spoken_form(string(value, self.wants), self.language)
        if not heard:
            raise ValueError(f"expected {self.wants}, got no words: {value!r:.60}")
        return heard
