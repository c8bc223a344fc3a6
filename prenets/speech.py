"""Speech in: log-mel frames, then a convolution that leaves one entry of a sequence for every 40 ms.

n samples, p pieces, t frames, f mel bands, l entries, c channels, d width
"""

from collections.abc import Callable, Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, Prenet, Processor
from unimodal.prenets.augmentations import Augmentation
from unimodal.prenets.local_context import LocalContext
from unimodal.prenets.span_masking import SpanMasking, refuse_hidden
from unimodal.prenets.spectrogram import HEARING, NUM_BANDS, RATE
from unimodal.prenets.waveform import Waveform


@final
class SpeechProcessor(Processor):
    """A `Waveform` or the path of an audio file -> {"features": Float[t, 80]}, one frame every 10 ms.

    Each band has mean 0 and variance 1 over the utterance, so that microphone and loudness drop out. Speed perturbation
    is not in here, since it would also touch what users bring: training data calls `Waveform.at_speed`.
    Raises FileNotFoundError, or ValueError that names the file, for what is no sound or lasts too long.
    """

    def __init__(self, *, max_seconds: float = 30.0):
        self.max_seconds = max_seconds

    def __call__(self, raw: object) -> dict[str, Tensor]:
        sound = Waveform.of(raw, rate=RATE, max_seconds=self.max_seconds)
        frames = HEARING(sound.samples)
        spread = frames.std(dim=0, correction=0).clamp_min(1e-2)
        return {"features": (frames - frames.mean(dim=0)) / spread}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return _halved(_halved(arrays["features"].shape[0]))


@final
class SpeechPrenet(Prenet):
    """Two strided convolutions over time and frequency and a projection: 40 ms of speech an entry.

    The front end of the speech transformer (Dong, Xu and Xu 2018), with GELU and a last LayerNorm, which puts speech on
    the scale of any other embedding; `context` lets neighbouring entries speak to each other before attention does,
    with which speech is recognised after half the training. What lies behind a piece's end is set to 0 before each
    convolution, as if the piece stood alone.
    """

    def __init__(
        self,
        dim: int,
        *,
        channels: int = 32,
        augmentation: Augmentation | None = None,
        context: Callable[[int], LocalContext] | None = None,
        masking: Callable[[int], SpanMasking] | None = None,
    ):
        super().__init__()
        self.augmentation = augmentation
        self.first = nn.Conv2d(1, channels, kernel_size=3, stride=2, padding=1)
        self.second = nn.Conv2d(channels, channels, kernel_size=3, stride=2, padding=1)
        self.project = nn.Linear(channels * _halved(_halved(NUM_BANDS)), dim)
        self.norm = nn.LayerNorm(dim)
        self.context = None if context is None else context(dim)
        self.masking = None if masking is None else masking(dim)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        features: Float[Tensor, "p t f"] = arrays["features"].to(self.project.weight.dtype)
        if self.training and self.augmentation is not None:
            features = self.augmentation(features, lengths)
        x: Float[Tensor, "p c t f"] = functional.gelu(self.first(_cut(features[:, None], lengths)))
        lengths = (lengths + 1) // 2
        x = functional.gelu(self.second(_cut(x, lengths)))
        embedded: Tensor = self.norm(self.project(x.transpose(1, 2).flatten(start_dim=2)))
        lengths = (lengths + 1) // 2
        if self.context is not None:
            embedded = self.context(embedded, lengths)
        if self.masking is None:
            refuse_hidden(arrays, "speech")
            return embedded
        masked: Tensor = self.masking(embedded, lengths, arrays)
        return masked


def _halved(length: int) -> int:
    """What a convolution of width 3, stride 2 and padding 1 leaves of a length."""
    return (length + 1) // 2


def _cut(x: Float[Tensor, "p c t f"], lengths: Int[Tensor, " p"]) -> Float[Tensor, "p c t f"]:
    """Zeros behind each piece's end."""
    inside = torch.arange(x.shape[2], device=x.device) < lengths[:, None]
    return x * inside[:, None, :, None]
