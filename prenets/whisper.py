"""Speech in as Whisper reads it (Radford et al. 2022, arXiv:2212.04356): windows of 30 s, of which nothing is padding.

n samples, p pieces, t frames, f mel bands, l entries, d width
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, KeywordPrenet, Processor
from unimodal.prenets.spectrogram import HOP, NUM_BANDS, RATE, mel_filters
from unimodal.prenets.waveform import Waveform

FRAMES = 3000
"""Of a window: 30 s."""
_FOURIER = 400


@final
@dataclass(frozen=True)
class WindowLogMel:
    """Samples at 16 kHz -> a frame every 10 ms; 30 s of it is what the net reads at once.

    The logarithm to base 10 of Slaney's bands (0 to 8 kHz) of the power spectrum, cut at 8 below the loudest value of
    all and scaled to about -1 to 1. Sound shorter than a window is filled up with silence before the spectrum is taken.
    """

    num_bands: int = NUM_BANDS
    """80; 128 since the third large model."""
    frames: int = FRAMES

    def __call__(self, samples: Float[Tensor, " n"]) -> Float[Tensor, "t f"]:
        filled = functional.pad(samples, (0, max(0, self.frames * HOP - samples.shape[0])))
        window = torch.hann_window(_FOURIER, device=samples.device)
        spectrum = torch.stft(filled, _FOURIER, HOP, window=window, return_complex=True)
        power = spectrum[:, :-1].abs().square().T  # the last frame is centred behind the end
        bands = (power @ mel_filters(_FOURIER, self.num_bands).to(samples.device)).clamp_min(1e-10).log10()
        return (bands.clamp_min(bands.max() - 8) + 4) / 4


@final
class WhisperProcessor(Processor):
    """A `Waveform` or the path of an audio file -> {"features": Float[3000, num_bands]}, one frame every 10 ms.

    Sound longer than a window is refused; `WindowLogMel` makes the frames of all of it, which `generate` reads window
    by window. Raises as `SpeechProcessor`.
    """

    def __init__(self, *, num_bands: int = NUM_BANDS):
        self.frames = WindowLogMel(num_bands)

    def __call__(self, raw: object) -> dict[str, Tensor]:
        sound = Waveform.of(raw, rate=RATE, max_seconds=FRAMES * HOP / RATE)
        return {"features": self.frames(sound.samples)}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return _halved(arrays["features"].shape[0])


@final
class WhisperPrenet(KeywordPrenet):
    """Two convolutions with GELU, the second of stride 2: 20 ms of speech an entry.

    A window is read whole, silence included, as the net was trained: there is no mask. Raises ValueError for frames
    that are no window.
    """

    keywords = ("input_features",)

    def __init__(self, dim: int, *, num_bands: int = NUM_BANDS, window: int = FRAMES):
        super().__init__()
        self.window = window
        self.first = nn.Conv1d(num_bands, dim, kernel_size=3, padding=1)
        self.second = nn.Conv1d(dim, dim, kernel_size=3, stride=2, padding=1)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"features": inputs["input_features"].transpose(1, 2)}

    def real(self, mask: Bool[Tensor, "p t"]) -> Bool[Tensor, "p l"]:
        return mask.new_ones(mask.shape[0], _halved(mask.shape[1]))

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        features: Float[Tensor, "p t f"] = arrays["features"].to(self.first.weight.dtype)
        if features.shape[1:] != (self.window, self.first.in_channels):
            found = " x ".join(map(str, features.shape[1:]))
            raise ValueError(
                f"input_features: a window is {self.window} frames x {self.first.in_channels}, not {found}"
            )
        x: Float[Tensor, "p d t"] = functional.gelu(self.first(features.transpose(1, 2)))
        return functional.gelu(self.second(x)).transpose(1, 2)


def _halved(length: int) -> int:
    """What a convolution of width 3, stride 2 and padding 1 leaves of a length."""
    return (length + 1) // 2
