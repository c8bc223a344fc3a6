"""How a checkpoint that writes frames is heard: whose voice it takes on, and what makes sound of its frames."""

import time
from pathlib import Path
from typing import final

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from unimodal.decoding.speaking import Vocoder
from unimodal.loading.foreign import Checkpoint
from unimodal.loading.hub import load
from unimodal.loading.vocoding import VocoderCheckpoint
from unimodal.prenets.spectrogram import NUM_BANDS, RATE, mel_filters
from unimodal.prenets.vocoders.griffin_lim import Inversion
from unimodal.prenets.voice import Voice
from unimodal.tasks.checkpoints import Result
from unimodal.tasks.voices import read_voice

_WINDOW, _HOP = 1024, 256
_LOWEST, _HIGHEST = 80.0, 7600.0
"""Of SpeechT5's frames: samples, and Hz."""
_SEED = 0
"""Of the dropout that acts in inference, so that an input sounds the same every time."""


@final
class SpokenAnswers:
    """A checkpoint with a voice and a vocoder.

    `voice` is a file of numbers; `vocoder` a HiFi-GAN's folder or Hub id, None: Griffin-Lim. Raises ValueError or
    FileNotFoundError for what is none of these.
    """

    def __init__(self, checkpoint: Checkpoint, *, voice: str | None, vocoder: str | None) -> None:
        self._checkpoint = checkpoint
        dim = checkpoint.origin.get("speaker_embedding_dim", 512)
        self._voice = torch.zeros(dim) if voice is None else _vector(Path(voice), dim)
        self._vocoder: Vocoder = _inverted if vocoder is None else _loaded(vocoder)
        self._notes = () if voice else (f"said in nobody's voice (zeros), for --voice gives no {dim} numbers",)

    def say(self, inputs: Shaped[Tensor, "1 s"]) -> Result:
        """What is said of token ids or of samples at 16 kHz."""
        began, model = time.perf_counter(), self._checkpoint.model
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(_SEED)
            frames = model.generate_speech(inputs.to(model.device), self._voice[None].to(model.device))
        assert isinstance(frames, Tensor)
        samples = self._vocoder(frames).float().cpu()
        return Result("", samples, None, (), time.perf_counter() - began, self._notes)


def _vector(file: Path, dim: int) -> Float[Tensor, " s"]:
    """The numbers of a file; a recording is refused, for no encoder of these numbers is here."""
    voice = read_voice(file, dim)
    if not isinstance(voice, Voice):
        raise ValueError(f"{file}: is a recording, and the checkpoint was taught with another encoder's {dim} numbers")
    return voice.vector


def _loaded(name: str) -> Vocoder:
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
