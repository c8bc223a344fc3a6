"""Whose voice an answer has: recordings and users' files -> the numbers that a model is told.

The numbers of a recording are made once and kept in the cache folder.
"""

import hashlib
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from unimodal.prenets.speaker_encoder import VOICE_DIM, SpeakerEncoder
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.clips import LONGEST_SOUND, sound
from unimodal.tasks.corpora import default_cache
from unimodal.tasks.corpora.registries import CorpusUnavailable
from unimodal.tasks.files import check_file
from unimodal.tasks.pretrained import SPEAKER_ENCODER, SPEAKER_WEIGHTS

NUMBERS = (".npy", ".safetensors")
"""Endings of files that hold the numbers themselves; any other is a recording."""


def voice_of(raw: object, cache: Path | None = None) -> Voice:
    """A voice as it is, that of a recording, or the mean of several recordings.

    Raises ValueError that names a recording in which nobody speaks, and OSError where the encoder cannot be had.
    """
    match raw:
        case Voice():
            return raw
        case tuple() | list():
            voices = [voice_of(one, cache) for one in raw]
            if not voices:
                raise ValueError("voice: there is no recording of the speaker")
            return Voice(torch.stack([voice.vector for voice in voices]).mean(0), voices[0].name)
    return _heard(sound(raw), cache)


def require_encoder(cache: Path | None = None) -> None:
    """Raises `CorpusUnavailable` where the speaker encoder cannot be had: a task can then be left out."""
    SPEAKER_ENCODER.fetch(cache)


def read_voice(path: Path, dim: int = VOICE_DIM) -> Voice | Waveform:
    """A user's file: numbers that another encoder gave (.npy, .safetensors), or a recording, for ours to hear.

    Raises ValueError or FileNotFoundError, in one line that names the file, for what is neither.
    """
    check_file(path)
    if path.suffix in NUMBERS:
        return numbers(_saved(path), dim, str(path))
    if dim != VOICE_DIM:
        raise ValueError(f"{path}: of a recording {VOICE_DIM} numbers are made, and here a voice is {dim}; give those")
    return Waveform.read(path, max_seconds=LONGEST_SOUND)


def asked_voice(file: str | None, dim: int, task: str) -> Voice | Waveform:
    """The voice that a user asks for by a file. Raises as `read_voice`, and ValueError where none is named."""
    if file is None:
        raise ValueError(f"voice: {task} speaks in somebody's voice; give --voice FILE, a recording or its numbers")
    return read_voice(Path(file), dim)


def numbers(found: Tensor, dim: int, name: str) -> Voice:
    """The numbers of a voice, checked."""
    found = found.float().squeeze()
    if found.shape != (dim,):
        shape = " x ".join(map(str, found.shape)) or "1"
        raise ValueError(f"{name}: a voice is {dim} numbers, not {shape}")
    return Voice(found, name)


def _saved(path: Path) -> Tensor:
    """The one array of a file; nothing in it is run."""
    try:
        if path.suffix == ".npy":
            return torch.from_numpy(np.asarray(np.load(path, allow_pickle=False), dtype=np.float32))
        (only,) = load_file(path).values()
        return only
    except (ValueError, TypeError, EOFError, OSError, SafetensorError) as error:
        raise ValueError(f"{path}: holds no single array of numbers") from error


def _heard(recording: Waveform, cache: Path | None) -> Voice:
    """The voice of a recording, as kept or made anew."""
    try:
        file = SPEAKER_ENCODER.fetch(cache) / SPEAKER_WEIGHTS
    except CorpusUnavailable as problem:
        raise OSError(f"{recording.name}: its voice cannot be heard, for {problem}") from problem
    samples = recording.resampled(RATE).samples
    kept = _folder(cache, file) / f"{hashlib.sha256(samples.numpy().tobytes()).hexdigest()[:32]}.npy"
    if kept.is_file():
        return Voice(torch.from_numpy(np.load(kept, allow_pickle=False)), recording.name)
    voice = _encoder(file).voice(recording)
    _keep(voice.vector, kept)
    return voice


def _folder(cache: Path | None, weights: Path) -> Path:
    return (cache or default_cache()) / "voices" / weights.parent.name


@lru_cache(maxsize=1)
def _encoder(file: Path) -> SpeakerEncoder:
    return SpeakerEncoder.read(file)


def _keep(vector: Float[Tensor, " s"], file: Path) -> None:
    """Written beside and then renamed: processes that hear the same recording write the same file."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=file.parent, suffix=".part", delete=False) as part:
        np.save(part, vector.numpy(), allow_pickle=False)
    Path(part.name).replace(file)
