"""Recorded speech as tasks read it: clips stay on disk until a prompt or an answer is made of them."""

from collections.abc import Sequence
from pathlib import Path

import torch

from unimodal.prenets.long_sound import LongSound, Window
from unimodal.prenets.waveform import Waveform
from unimodal.task import Example
from unimodal.tasks.corpora.asterisk import Asterisk, Prompt
from unimodal.tasks.corpora.recordings import SAMPLING_RATE, Recording
from unimodal.tasks.files import check_file
from unimodal.tasks.transcripts import spoken_form

LONGEST_SOUND = 30.0
"""Seconds of a user's file that is heard whole; the clips that tasks are taught with are shorter."""
SHORTEST_WINDOW = 1.0
"""Seconds."""


def transcribed(language: str, split: str, cache: Path | None, max_seconds: float) -> list[tuple[Prompt, str]]:
    """Studio clips of a language up to a length, each with what is heard in it."""
    clips = [clip for clip in Asterisk().examples(split, cache) if clip.language == language]
    if not clips:
        raise ValueError(f"language: there is no transcribed speech in {language!r}")
    heard = ((clip, spoken_form(clip.text, language)) for clip in clips if clip.speech.seconds <= max_seconds)
    return [(clip, text) for clip, text in heard if text]


def sound(raw: object) -> Waveform:
    """A clip of a corpus, a window of a recording, or sound that is there already, as a Waveform."""
    match raw:
        case Recording():
            return Waveform(torch.from_numpy(raw.samples()), SAMPLING_RATE, f"{raw.store}@{raw.start}")
        case Window():
            return raw.read()
        case Waveform():
            return raw
    raise AssertionError(f"no sound: {type(raw).__name__}")


def read_sounds(paths: Sequence[Path]) -> list[Example]:
    """One example a file, with its sound as the input `speech`."""
    for path in paths:
        check_file(path)
    return [Example(str(path), {"speech": Waveform.read(path, max_seconds=LONGEST_SOUND)}) for path in paths]


def read_long_sounds(paths: Sequence[Path], *, window: float) -> list[Example]:
    """As `read_sounds`, of any length: what lasts longer than `window` seconds is one example for each window of it.

    Raises ValueError for a window that nobody can hear in, or that is longer than any sound that is read whole.
    """
    if not SHORTEST_WINDOW <= window <= LONGEST_SOUND:
        raise ValueError(
            f"chunk_length_s: windows last {SHORTEST_WINDOW:g} to {LONGEST_SOUND:g} seconds, not {window:g}"
        )
    for path in paths:
        check_file(path)
    return [example for path in paths for example in _windows(path, window)]


def _windows(path: Path, window: float) -> list[Example]:
    whole = LongSound(path, window=window)
    if whole.seconds <= window:
        return [Example(str(path), {"speech": Waveform.read(path)})]
    return [Example(str(path), {"speech": part}, span=(part.start, part.end)) for part in whole.windows]
