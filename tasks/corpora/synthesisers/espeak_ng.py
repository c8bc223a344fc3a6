"""Formants: a small program that speaks a hundred languages, with as many voices as its settings allow."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.synthesisers import Synthesiser, run_program, version_of

PROGRAM = "espeak-ng"
VOICES = (
    "en-us+m3",
    "en-us+f2",
    "en-gb-x-gbcwmd+m7",
    "en-gb-x-rp+f4",
    "en-us+f5",
    "en-gb-x-rp+m1",
    "en-gb-scotland+m2",
    "en-029+f1",
    "en-gb-x-gbclan+m8",
    "en-us+m5",
    "en-gb-scotland+f3",
    "en-us-nyc+m4",
)
"""An accent and a variant of the voice each: m for a man's, f for a woman's."""


@final
class EspeakNg(Synthesiser):
    """The program `espeak-ng` (GPL-3; only its sound is kept). Clear, and far from a person's voice."""

    name = "espeak"
    languages = ("en",)

    def __init__(self, voices: Sequence[str] = VOICES) -> None:
        """`voices` as `espeak-ng -v` takes them."""
        self._voices = tuple(voices)

    @cached_property
    def edition(self) -> str:
        return version_of(PROGRAM, "--version").partition(" Data at")[0]  # what follows is a path

    @property
    def voices(self) -> tuple[str, ...]:
        return self._voices

    def speak(self, text: str, voice: str, file: Path) -> None:
        assert voice in self._voices
        # Through standard input, where no text looks like an option.
        run_program([PROGRAM, "-v", voice, "-w", str(file), "--stdin"], text=text)


def phonemes(text: str, voice: str) -> str:
    """A clause in the international phonetic alphabet, words parted by spaces."""
    said = run_program([PROGRAM, "-q", "--ipa", "-v", voice, "--stdin"], text=text)
    return " ".join(said.split())
