"""Sound from magnitudes alone, without anything learned. n samples, t frames, f mel bands, k Fourier bins"""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

from unimodal.prenets.spectrogram import HOP, VOICE
from unimodal.prenets.vocoders import Vocoder


@final
@dataclass(frozen=True)
class Inversion:
    """Guesses the phases whose signal has the wanted magnitudes (Griffin and Lim 1984), accelerated.

    Perraudin, Balazs and Søndergaard 2013 (a fast Griffin-Lim algorithm) give the momentum. The first phases are drawn
    from a fixed seed, so that the same frames sound the same every time.
    """

    window: int
    """Samples of a Hann window."""
    hop: int
    """Samples from one frame to the next."""
    num_steps: int = 48
    momentum: float = 0.99

    @torch.no_grad()
    def __call__(self, mel: Float[Tensor, "t f"], filters: Float[Tensor, "k f"]) -> Float[Tensor, " n"]:
        """Samples from the centre of the first frame to that of the last; a lone frame is taken for two.

        `mel` are magnitudes, no logarithms; `filters` the weight of each Fourier bin in each band.
        """
        magnitude = _linear(mel, filters).T
        magnitude = magnitude.expand(-1, 2) if mel.shape[0] == 1 else magnitude
        generator = torch.Generator().manual_seed(0)
        phase = torch.polar(torch.ones_like(magnitude), 2 * torch.pi * torch.rand(magnitude.shape, generator=generator))
        before = torch.zeros_like(phase)
        for _ in range(self.num_steps):
            consistent = self._spectrum(self._signal(magnitude * phase))
            phase = consistent + self.momentum * (consistent - before)
            phase = phase / phase.abs().clamp_min(1e-12)
            before = consistent
        return self._signal(magnitude * phase)

    def _signal(self, spectrum: Complex[Tensor, "k t"]) -> Float[Tensor, " n"]:
        return torch.istft(spectrum, self.window, self.hop, window=self._hann())

    def _spectrum(self, samples: Float[Tensor, " n"]) -> Complex[Tensor, "k t"]:
        # Silence around the signal, not its reflection, so that a signal shorter than half a window has a spectrum too.
        return torch.stft(samples, self.window, self.hop, window=self._hann(), pad_mode="constant", return_complex=True)

    def _hann(self) -> Float[Tensor, " window"]:
        return torch.hann_window(self.window)


@final
class GriffinLim(Vocoder):
    """The sound that an `Inversion` of VOICE's frames gives."""

    def __init__(self, *, num_steps: int = 48, momentum: float = 0.99):
        if num_steps < 1:
            raise ValueError(f"num_steps is at least 1, not {num_steps}")
        self._inversion = Inversion(VOICE.window, HOP, num_steps, momentum)

    def __call__(self, frames: Float[Tensor, "t f"]) -> Float[Tensor, " n"]:
        samples = self._inversion(frames.float().cpu().exp(), VOICE.filters())
        # Frame i is centred on sample (i + 1/2) hop, the first sample here on the centre of frame 0.
        missing = frames.shape[0] * HOP - samples.shape[0]
        samples = functional.pad(samples, (missing // 2, missing - missing // 2))
        return samples / samples.abs().max().clamp_min(1.0)


def _linear(mel: Float[Tensor, "t f"], filters: Float[Tensor, "k f"], num_steps: int = 40) -> Float[Tensor, "t k"]:
    """Magnitudes of the Fourier bins that explain the bands best without being negative.

    Multiplicative updates (Lee and Seung 2001); a pseudo-inverse would turn many bins negative. Bins that no band
    hears stay at 0.
    """
    magnitude = mel @ (filters / filters.sum(dim=0)).T
    numerator, gram = mel @ filters.T, filters @ filters.T
    for _ in range(num_steps):
        magnitude = magnitude * numerator / (magnitude @ gram).clamp_min(1e-12)
    return magnitude
