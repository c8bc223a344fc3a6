"""Synthesisers: programs that say a text, for speech of which text and speaker are known. The contract."""

import shutil
import subprocess
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar

from unimodal.tasks.corpora.registries import CorpusUnavailable

__all__ = ["CorpusUnavailable", "Synthesiser", "run_program", "version_of"]

PATIENCE = 600
"""Seconds that a program may take for a sentence: far more than it needs, since the machine may be busy."""


class Synthesiser(ABC):
    """A maker of speech with voices of its own.

    Laws: the same text in the same voice sounds the same, sample for sample; another voice sounds otherwise; where the
    program or its data cannot be had, `speak` raises `CorpusUnavailable` with one line, and `edition` does not.
    """

    name: ClassVar[str]
    """Stands before the voice in a speaker's name: `flite.slt`."""
    languages: ClassVar[tuple[str, ...]]
    """Languages that all its voices speak."""

    @property
    @abstractmethod
    def edition(self) -> str:
        """What makes the sound, to the version; empty where it is not here."""

    @property
    @abstractmethod
    def voices(self) -> tuple[str, ...]:
        """Names of its voices."""

    @abstractmethod
    def speak(self, text: str, voice: str, file: Path) -> None:
        """Write a WAV file, at any sample rate, with the text said in one of `voices`."""


def run_program(command: list[str], *, text: str | None = None) -> str:
    """What a program prints; `text` is its standard input. Raises `CorpusUnavailable` where it is missing or fails."""
    program = command[0]
    if shutil.which(program) is None:
        raise CorpusUnavailable(f"the program {program!r} is not on this machine (sudo apt-get install {program})")
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    except subprocess.TimeoutExpired as error:
        raise CorpusUnavailable(f"the program {program!r} was not done in {PATIENCE} s") from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise CorpusUnavailable(f"the program {program!r} failed ({lines[-1] if lines else done.returncode})")
    return done.stdout


def version_of(program: str, *flags: str) -> str:
    """What a program says of its version, on one line, whatever its exit status; empty where it is not here."""
    if shutil.which(program) is None:
        return ""
    said = subprocess.run([program, *flags], capture_output=True, text=True, errors="replace", timeout=PATIENCE)
    return " ".join(said.stdout.split())
