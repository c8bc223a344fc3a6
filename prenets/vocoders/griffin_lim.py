"""Sound from magnitudes alone, without anything learned. n samples, t frames, f mel bands, k Fourier bins"""

from typing import final

import torch
from jaxtyping import Complex, Float
from torch import Tensor
from torch.nn import functional

from unimodal.prenets.spectrogram import HOP, VOICE
from unimodal.prenets.vocoders import Vocoder


@final
class GriffinLim(Vocoder):
    """Guesses the phases whose signal has the wanted magnitudes (Griffin and Lim 1984), accelerated.

    Perraudin, Balazs and Søndergaard 2013 (a fast Griffin-Lim algorithm) give the momentum. The first phases are drawn
    from a fixed seed, so that the same frames sound the same every time.
    """

    def __init__(self, *, num_steps: int = 48, momentum: float = 0.99):
        if num_steps < 1:
            raise ValueError(f"num_steps is at least 1, not {num_steps}")
        self.num_steps, self.momentum = num_steps, momentum

    @torch.no_grad()
    def __call__(self, frames: Float[Tensor, "t f"]) -> Float[Tensor, " n"]:
        magnitude = _linear(frames.float().cpu().exp()).T
        # Signals span from the centre of the first frame to that of the last: a lone frame needs a second one.
        magnitude = magnitude.expand(-1, 2) if frames.shape[0] == 1 else magnitude
        generator = torch.Generator().manual_seed(0)
        phase = torch.polar(torch.ones_like(magnitude), 2 * torch.pi * torch.rand(magnitude.shape, generator=generator))
        before = torch.zeros_like(phase)
        for _ in range(self.num_steps):
            consistent = _spectrum(_signal(magnitude * phase))
            phase = consistent + self.momentum * (consistent - before)
            phase = phase / phase.abs().clamp_min(1e-12)
            before = consistent
        samples = _signal(magnitude * phase)
        # Frame i is centred on sample (i + 1/2) hop, the first sample here on the centre of frame 0.
        missing = frames.shape[0] * HOP - samples.shape[0]
        samples = functional.pad(samples, (missing // 2, missing - missing // 2))
        return samples / samples.abs().max().clamp_min(1.0)


def _signal(spectrum: Complex[Tensor, "k t"]) -> Float[Tensor, " n"]:
    return torch.istft(spectrum, VOICE.window, HOP, window=VOICE.hann(spectrum.device))


def _spectrum(samples: Float[Tensor, " n"]) -> Complex[Tensor, "k t"]:
    # Silence around the signal, not its reflection, so that a signal shorter than half a window has a spectrum too.
    return torch.stft(
        samples,
        VOICE.window,
        HOP,
        window=VOICE.hann(samples.device),
        pad_mode="constant",
        return_complex=True,
    )


def _linear(mel: Float[Tensor, "t f"], num_steps: int = 40) -> Float[Tensor, "t k"]:
    """Magnitudes of the Fourier bins that explain the bands best without being negative.

    Multiplicative updates (Lee and Seung 2001); a pseudo-inverse would turn many bins negative.
    """
    filters = VOICE.filters().to(mel.device)
    magnitude = mel @ (filters / filters.sum(dim=0)).T
    numerator, gram = mel @ filters.T, filters @ filters.T
    for _ in range(num_steps):
        magnitude = magnitude * numerator / (magnitude @ gram).clamp_min(1e-12)
    return magnitude
