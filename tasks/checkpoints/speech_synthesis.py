"""Text -> speech, in the voice of a vector."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.foreign import Checkpoint
from unimodal.hub import load
from unimodal.prenets.spectrogram import NUM_BANDS, RATE, mel_filters
from unimodal.prenets.vocoders.griffin_lim import Inversion
from unimodal.speaking import Vocoder
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.writing import TextWriter
from unimodal.tasks.files import check_file
from unimodal.vocoding import VocoderCheckpoint

_WINDOW, _HOP = 1024, 256
_LOWEST, _HIGHEST = 80.0, 7600.0
"""Of SpeechT5's frames: samples, and Hz."""
_PAUSE = int(0.2 * RATE)
"""Samples between two pieces of a text."""
_SEED = 0
"""Of the dropout that acts in inference, so that a text sounds the same every time."""


@final
class SpeechSynthesis(CheckpointTask):
    """Says a text in a voice, which is a vector; long texts are said piece by piece.

    `Hello.` -> frames of 80 bands, 16 ms each -> sound at 16 kHz (Ao et al. 2022, arXiv:2110.07205).
    """

    reads = ("text",)
    writes = "speech"
    architectures = ("ForTextToSpeech",)

    def __init__(self, *, checkpoint: Checkpoint, speaker: str | None = None, vocoder: str | None = None) -> None:
        """`speaker` is an .npy file; `vocoder` a HiFi-GAN's folder or Hub id, None: Griffin-Lim.

        Raises ValueError or FileNotFoundError for what is none of these.
        """
        self._checkpoint, self._writer = checkpoint, TextWriter(checkpoint=checkpoint)
        dim = checkpoint.origin.get("speaker_embedding_dim", 512)
        self._voice = torch.zeros(dim) if speaker is None else _voice(Path(speaker), dim)
        self._vocoder: Vocoder = _inverted if vocoder is None else _vocoder(vocoder)
        self._notes = () if speaker else (f"said in nobody's voice (zeros), for --speaker gives no {dim} numbers",)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return self._writer.read(paths, prompt)

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        if decoding is not None:
            raise ValueError("decoding: is a way to write tokens, and speech is written in frames")
        return [self._say(part) for part in parts]

    def _say(self, text: str) -> Result:
        began, model = time.perf_counter(), self._checkpoint.model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            ids = torch.tensor([self._writer.ids(text)], device=model.device)
            frames = model.generate_speech(ids, self._voice[None].to(model.device))
        assert isinstance(frames, Tensor)
        samples = self._vocoder(frames).float().cpu()
        return Result("", samples, None, (), time.perf_counter() - began, self._notes)

    def join(self, answers: Sequence[Result]) -> Result:
        sounds: list[Tensor] = []
        for answer in answers:
            assert isinstance(answer.value, Tensor)
            sounds += [answer.value, torch.zeros(_PAUSE)]
        return Result("", torch.cat(sounds[:-1]), None, (), sum(answer.seconds for answer in answers))


def _voice(file: Path, dim: int) -> Float[Tensor, " dim"]:
    """The numbers of a file that numpy wrote; nothing in it is run."""
    import numpy

    check_file(file)
    try:
        found = numpy.load(file, allow_pickle=False)
        numbers = torch.from_numpy(numpy.asarray(found, dtype=numpy.float32)).squeeze()
    except (ValueError, TypeError, EOFError, OSError) as error:
        raise ValueError(f"{file}: is no array of numbers that numpy saved (.npy)") from error
    if numbers.shape != (dim,) or not bool(numbers.isfinite().all()):
        shape = " x ".join(map(str, numbers.shape)) or "1"
        raise ValueError(f"{file}: a voice is {dim} finite numbers, not {shape}")
    return numbers


def _vocoder(name: str) -> Vocoder:
    loaded = load(name)
    if not isinstance(loaded, VocoderCheckpoint):
        raise ValueError(f"{name}: is no vocoder")
    rate = (loaded.model.config.origin or {}).get("sampling_rate", RATE)
    if rate != RATE:
        raise ValueError(f"{name}: makes sound at {rate} Hz, and frames are for {RATE} Hz")
    return loaded


def _inverted(frames: Float[Tensor, "t f"]) -> Float[Tensor, " n"]:
    """Frames are logarithms to base 10 of SpeechT5's bands, the first one centred on the first sample."""
    if frames.shape[1] != NUM_BANDS:
        raise ValueError(f"--vocoder: frames of {frames.shape[1]} bands need one; without it there are {NUM_BANDS}")
    filters = mel_filters(_WINDOW, lowest=_LOWEST, highest=_HIGHEST)
    samples = Inversion(_WINDOW, _HOP)(10 ** frames.float().cpu(), filters)
    return samples / samples.abs().max().clamp_min(1.0)
