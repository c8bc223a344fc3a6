"""Source code."""

from textwrap import dedent
from typing import final

from unimodal.data.columns import string
from unimodal.tasks.columns import Column, Files


@final
class Code(Column):
    """Lines of code as one string, with `\\n` between them; what all lines are indented by is taken off."""

    def __init__(self, wants: str = "source code", *, sample: str) -> None:
        self.wants, self.sample = wants, sample

    def read(self, value: object, files: Files) -> str:
        return dedent(string(value, self.wants))
