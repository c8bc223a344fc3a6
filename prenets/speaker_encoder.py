"""Who speaks, as numbers: a recurrent net over a second and a half of sound at a time.

n samples, t frames, f mel bands, w windows, s numbers of a voice
"""

from pathlib import Path
from typing import final

import torch
from jaxtyping import Bool, Float
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from unimodal.prenets.spectrogram import HOP, RATE, mel_filters
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform

VOICE_DIM = 256
NUM_BANDS = 40
WINDOW = 160
"""Frames that are heard at once: 1.6 s."""
STEP = 77
"""Frames from one window to the next: 1.3 windows a second."""
COVERAGE = 0.75
"""Of the last window: one with less sound in it is left out."""
LOUDNESS = -30.0
"""Decibels of full scale, to which quieter sound is raised. The bands are no logarithms, so loudness matters."""
_FOURIER = 400
_BLOCK = 480
_QUIET = 1e-4
"""Share of the loudest block's power below which a block (30 ms) is taken for silence: 40 dB."""
_LONGEST_SILENCE = 6
"""Blocks of silence that are kept between words."""


@final
class SpeakerEncoder(nn.Module):
    """Sound -> 256 numbers of length 1, near each other where the speaker is the same.

    Generalized end-to-end loss for speaker verification (Wan et al. 2017, arXiv:1710.10467), as resemblyzer's weights
    have it: power of 40 mel bands -> LSTM of three layers -> the last state, projected, its negative numbers cut;
    the mean over windows. Long silences are left out first by their power alone, where resemblyzer asks WebRTC's
    detector of voices.
    """

    def __init__(self, *, width: int = 256, num_layers: int = 3) -> None:
        super().__init__()
        self.lstm = nn.LSTM(NUM_BANDS, width, num_layers, batch_first=True)
        self.linear = nn.Linear(width, VOICE_DIM)

    @classmethod
    def read(cls, file: Path) -> "SpeakerEncoder":
        """With the weights of a safetensors file, ready to be asked."""
        encoder = cls()
        encoder.load_state_dict(load_file(file))
        return encoder.eval()

    def forward(self, windows: Float[Tensor, "w t f"]) -> Float[Tensor, "w s"]:
        _, (states, _) = self.lstm(windows)
        return functional.normalize(functional.relu(self.linear(states[-1])))

    @torch.inference_mode()
    def voice(self, sound: Waveform) -> Voice:
        """Whose voice is heard. Raises ValueError that names the sound where it is silent."""
        samples = sound.resampled(RATE).samples
        if not bool(samples.any()):
            raise ValueError(f"{sound.name}: is silent, so nobody speaks in it")
        return Voice(self.vector(_without_silence(_raised(samples))).clone(), sound.name)

    def vector(self, samples: Float[Tensor, " n"]) -> Float[Tensor, " s"]:
        """The mean over the windows of samples at 16 kHz, taken as they are."""
        starts = _starts(samples.shape[0])
        end = HOP * (starts[-1] + WINDOW)
        bands = _bands(functional.pad(samples, (0, max(0, end - samples.shape[0]))))
        windows = torch.stack([bands[start : start + WINDOW] for start in starts])
        return functional.normalize(self(windows).mean(0), dim=0)


def _starts(num_samples: int) -> list[int]:
    """The first frame of each window: one at least, and no last one that is mostly behind the end."""
    num_frames = -(-(num_samples + 1) // HOP)
    starts = list(range(0, max(1, num_frames - WINDOW + STEP + 1), STEP))
    if len(starts) > 1 and num_samples / HOP - starts[-1] < COVERAGE * WINDOW:
        starts.pop()
    return starts


def _bands(samples: Float[Tensor, " n"]) -> Float[Tensor, "t f"]:
    """Power of Slaney's bands, 0 to 8 kHz, each frame of 25 ms centred on its time, with silence at both ends."""
    window = torch.hann_window(_FOURIER)
    spectrum = torch.stft(samples, _FOURIER, HOP, window=window, pad_mode="constant", return_complex=True)
    return spectrum.abs().square().T @ mel_filters(_FOURIER, NUM_BANDS)


def _raised(samples: Float[Tensor, " n"]) -> Float[Tensor, " n"]:
    """Made as loud as `LOUDNESS` where it is quieter."""
    loudness = 10 * samples.square().mean().log10()
    return samples * 10 ** ((LOUDNESS - loudness).clamp_min(0) / 20)


def _without_silence(samples: Float[Tensor, " n"]) -> Float[Tensor, " _"]:
    """The blocks with sound and those next to them; all where there is no whole block."""
    blocks: Float[Tensor, "b n"] = samples[: samples.shape[0] // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
    if not blocks.shape[0]:
        return samples
    power = blocks.square().mean(1)
    loud = (power > _QUIET * power.max()).float()
    width = _LONGEST_SILENCE + 1
    kept: Bool[Tensor, " b"] = functional.max_pool1d(loud[None, None], width, 1, width // 2)[0, 0] > 0
    return blocks[kept].flatten()
