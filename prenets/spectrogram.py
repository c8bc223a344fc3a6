"""Log-mel spectrograms, as recognisers read them and as vocoders turn them into sound again.

n samples, t frames, f mel bands, k Fourier bins
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

RATE = 16_000
"""Samples per second that speech is read and written at."""
HOP = 160
"""Samples from one frame to the next: 10 ms."""
NUM_BANDS = 80
FLOOR = 1e-5
"""Magnitudes below it are as good as silence."""


@final
@dataclass(frozen=True)
class LogMel:
    """Samples at 16 kHz -> natural logarithm of 80 mel bands (0 to 8 kHz) of the magnitude spectrum, every 10 ms.

    Framing, Slaney's bands, floor and logarithm are those of HiFi-GAN (Kong et al. 2020, arXiv:2010.05646), so that a
    vocoder trained for it can read the frames. The ends are reflected; sound fills up to a whole frame with silence.
    """

    window: int
    """Samples of a Hann window: 400 (25 ms) hears fast changes, 800 (50 ms) resolves the harmonics of a voice."""

    def __call__(self, samples: Float[Tensor, "*b n"]) -> Float[Tensor, "*b t f"]:
        """Of one sound, or of several of one length."""
        num_frames = -(-samples.shape[-1] // HOP)
        edge = (self.window - HOP) // 2
        filled = functional.pad(samples.reshape(-1, samples.shape[-1]), (0, num_frames * HOP - samples.shape[-1]))
        # A reflection needs something to reflect: very short sound is continued with silence first.
        filled = functional.pad(filled, (0, max(0, edge + 1 - filled.shape[-1])))
        framed = functional.pad(filled, (edge, edge), mode="reflect")
        spectrum = torch.stft(
            framed, self.window, HOP, window=self.hann(samples.device), center=False, return_complex=True
        )
        magnitude = (spectrum.abs().square() + 1e-9).sqrt().mT[:, :num_frames]
        bands = (magnitude @ self.filters().to(samples.device)).clamp_min(FLOOR).log()
        return bands.reshape(*samples.shape[:-1], *bands.shape[1:])

    def hann(self, device: torch.device) -> Float[Tensor, " window"]:
        return torch.hann_window(self.window, device=device)

    def filters(self) -> Float[Tensor, "k f"]:
        """Weight of each Fourier bin in each band."""
        return mel_filters(self.window)


HEARING = LogMel(window=400)
"""What speech is recognised from."""
VOICE = LogMel(window=800)
"""What speech is made from: the frames that every Vocoder reads."""


@lru_cache(maxsize=4)
def mel_filters(
    window: int, num_bands: int = NUM_BANDS, *, lowest: float = 0.0, highest: float = RATE / 2
) -> Float[Tensor, "k f"]:
    """Slaney's bands, in Hz from 0 to 8,000 by default: weight of each Fourier bin in each band."""
    from torchaudio.functional import melscale_fbanks

    num_bins = window // 2 + 1
    filters: Tensor = melscale_fbanks(num_bins, lowest, highest, num_bands, RATE, norm="slaney", mel_scale="slaney")
    return filters
