"""Voices of four people, three of them statistical models and one made of pieces: Festival's small descendant."""

from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.synthesisers import Synthesiser, run_program, version_of

PROGRAM = "flite"
VOICES = {"awb": "awb", "kal": "kal16", "rms": "rms", "slt": "slt"}
"""What the program calls the voices of the ARCTIC readers, and of one more, in 16 kHz."""


@final
class Flite(Synthesiser):
    """The program `flite` (BSD; Black and Lenzo 2001): American English, in `awb` Scottish; slt is a woman."""

    name = "flite"
    languages = ("en",)

    @cached_property
    def edition(self) -> str:
        return version_of(PROGRAM, "--version").partition("version: ")[2]

    @property
    def voices(self) -> tuple[str, ...]:
        return tuple(VOICES)

    def speak(self, text: str, voice: str, file: Path) -> None:
        run_program([PROGRAM, "-voice", VOICES[voice], "-t", text, "-o", str(file)])
