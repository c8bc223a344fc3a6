"""Columns of a manifest: what the fields of its rows hold, and the files that they may name."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from unimodal.annotations import Annotation


@final
@dataclass(frozen=True)
class Files:
    """The files that a manifest may name: those below its folder, links followed; any where its user allows that."""

    folder: Path
    outside: bool = False

    def find(self, name: str) -> Path:
        """A file by its path, relative to the folder. Raises ValueError for one that lies outside."""
        path = self.folder / name
        if not self.outside and not path.resolve().is_relative_to(self.folder.resolve()):
            raise ValueError(f"{name}: lies outside the manifest's folder; --outside allows that")
        return path


class Column(ABC):
    """What one field of a manifest's rows holds.

    Laws: `read` takes `sample`, its file put where it says; for any other JSON value it gives what a task can use, or
    raises ValueError or FileNotFoundError in one line.
    """

    wants: str
    """What is expected, for people."""
    sample: object
    """One JSON value, for people."""

    @abstractmethod
    def read(self, value: object, files: Files) -> object:
        """The raw input or the answer that a JSON value stands for."""


class Places(Column):
    """A column about places in a picture. Law: what `annotations` tells lies within it, from 0 to 1."""

    @abstractmethod
    def annotations(self, value: Any) -> list[Annotation]:
        """What there is to draw of what `read` gives."""


def string(value: object, wants: str) -> str:
    """A JSON value as a string with something in it. Raises ValueError that says what was wanted."""
    if not isinstance(value, str):
        raise ValueError(f"expected {wants}, got {_kind(value)}")
    if not value.strip() or "\0" in value:
        raise ValueError(f"expected {wants}, got a string without text")
    return value


def _kind(value: object) -> str:
    """What people call a JSON value."""
    names = {bool: "a truth value", int: "a number", float: "a number", list: "a list", dict: "an object"}
    return names.get(type(value), "null")
