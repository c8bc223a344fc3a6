"""Text as it is written."""

from typing import final

from unimodal.data.columns import string
from unimodal.tasks.columns import Column, Files


@final
class Text(Column):
    """A string; blanks at its ends do not count."""

    def __init__(self, wants: str = "a text", *, sample: str) -> None:
        self.wants, self.sample = wants, sample

    def read(self, value: object, files: Files) -> str:
        return string(value, self.wants).strip()
