"""One name out of a fixed list."""

import difflib
from collections.abc import Sequence
from typing import final

from unimodal.data.columns import string
from unimodal.tasks.columns import Column, Files


@final
class Label(Column):
    """One of some names, written as they are."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names, self.sample = tuple(names), names[0]
        self.wants = f"one of {', '.join(names)}"

    def read(self, value: object, files: Files) -> str:
        name = string(value, "a name").strip()
        if name not in self.names:
            close = difflib.get_close_matches(name, self.names, n=1)
            hint = f"; did you mean '{close[0]}'?" if close else ""
            raise ValueError(f"'{name:.40}' is none of the {len(self.names)} names{hint}")
        return name
