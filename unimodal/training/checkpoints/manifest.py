"""A checkpoint's manifest: the size and the digest of each of its files, so that a torn or changed one is known."""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

FILE = "manifest.json"


@final
@dataclass(frozen=True)
class Entry:
    """What a file must be."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, file: Path) -> "Entry":
        """Of a file as it is."""
        with file.open("rb") as opened:
            return cls(os.fstat(opened.fileno()).st_size, hashlib.file_digest(opened, "sha256").hexdigest())


@final
@dataclass(frozen=True)
class Manifest:
    """The files of a checkpoint by their path in its folder.

    `number` counts the checkpoints of a folder in the order in which they were written, whatever their steps: a run
    that starts anew, or from an earlier step, is younger than what it leaves behind.
    """

    number: int
    step: int
    files: Mapping[str, Entry]

    def write(self, folder: Path) -> None:
        """Writes `manifest.json`; it is on the disk on return."""
        write_durably(folder / FILE, json.dumps(asdict(self), indent=1).encode() + b"\n")

    @classmethod
    def read(cls, folder: Path) -> "Manifest":
        """Of a folder. Raises ValueError or FileNotFoundError that name the file, where it is none."""
        file = folder / FILE
        if not file.is_file():
            raise FileNotFoundError(f"{file}: not there; {folder.name} is no whole checkpoint")
        try:
            values = json.loads(file.read_bytes())
            files = {str(name): Entry(int(entry["bytes"]), str(entry["sha256"])) for name, entry in _files(values)}
            return cls(int(values["number"]), int(values["step"]), files)
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise ValueError(f"{file}: is no manifest of a checkpoint ({type(error).__name__})") from error

    def check_sizes(self, folder: Path) -> None:
        """Raises a line that names the first file that is missing or has another size."""
        for name, entry in self.files.items():
            file = folder / name
            if not file.is_file():
                raise FileNotFoundError(f"{file}: is missing")
            if file.stat().st_size != entry.bytes:
                raise ValueError(f"{file}: has {file.stat().st_size:,} bytes where {entry.bytes:,} were written")

    def check(self, folder: Path) -> None:
        """Reads every file. Raises a line that names the first that is not what was written."""
        self.check_sizes(folder)
        for name, entry in self.files.items():
            if Entry.of(folder / name) != entry:
                raise ValueError(f"{folder / name}: was changed after it was written (its sha256 differs)")


def _files(values: Any) -> list[tuple[Any, Any]]:
    files = list(values["files"].items())
    if any(Path(name).is_absolute() or ".." in Path(name).parts or not name.isprintable() for name, _ in files):
        raise ValueError("names a file outside of its folder, or one that cannot be printed")
    return files


def write_durably(file: Path, content: bytes | memoryview) -> None:
    """Writes a file and waits until the disk has it."""
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())


def sync(path: Path) -> None:
    """Waits until the disk has a file's bytes, or a folder's names."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
