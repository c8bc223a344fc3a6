"""Recorded sound as samples: reading any audio file, and the checks that every user of sound needs.

n samples
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from av import AudioFrame

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
"""Sample rates in Hz that sound is recorded at; anything else is a broken header."""


@final
@dataclass(frozen=True, eq=False)
class Waveform:
    """One channel of sound, full scale at -1 and 1. `name` is the file that it came from, for messages.

    Raises ValueError that starts with `name` for sound that nobody can use: no samples, samples that are not finite,
    a sample rate that no recorder has.
    """

    samples: Float[Tensor, " n"]
    rate: int
    """Samples per second."""
    name: str = "audio"

    def __post_init__(self) -> None:
        _check_rate(self.rate, self.name)
        if self.samples.shape[0] == 0:
            raise ValueError(f"{self.name}: holds no sound (0 samples)")
        if not bool(torch.isfinite(self.samples).all()):
            raise ValueError(f"{self.name}: holds samples that are not finite numbers")

    @property
    def seconds(self) -> float:
        return self.samples.shape[0] / self.rate

    @classmethod
    def read(cls, path: str | Path, *, max_seconds: float = 3600) -> "Waveform":
        """The first audio track of a file (wav, flac, ogg, mp3, g722, also the sound of a video), mixed to one channel.

        Raises FileNotFoundError, or ValueError that names the file when it is no sound or longer than `max_seconds`.
        """
        if not Path(path).is_file():
            raise FileNotFoundError(f"{path}: no such file")
        samples, rate = _decode(str(path), max_seconds)
        return cls(samples, rate, str(path))

    @classmethod
    def of(cls, raw: object, *, rate: int, max_seconds: float) -> "Waveform":
        """Sound at a given rate from a Waveform or the path of a file. Raises as `read`."""
        match raw:
            case Waveform():
                sound = raw
            case str() | Path():
                sound = cls.read(raw, max_seconds=max_seconds)
            case _:
                raise ValueError(f"sound is a Waveform or the path of an audio file, not {type(raw).__name__}")
        if sound.seconds > max_seconds:
            raise ValueError(f"{sound.name}: lasts {sound.seconds:.1f} s, more than the limit of {max_seconds:g} s")
        return sound.resampled(rate)

    def resampled(self, rate: int) -> "Waveform":
        """The same sound at another sample rate."""
        if rate == self.rate:
            return self
        from torchaudio.functional import resample

        return replace(self, samples=resample(self.samples, self.rate, rate), rate=rate)

    def at_speed(self, factor: float) -> "Waveform":
        """Played faster or slower, pitch included: speed perturbation for whoever loads training data (0.9, 1, 1.1).

        Ko et al. 2015, Audio augmentation for speech recognition.
        """
        ratio = Fraction(factor).limit_denominator(100)
        if ratio == 1:
            return self
        from torchaudio.functional import resample

        return replace(self, samples=resample(self.samples, ratio.numerator, ratio.denominator))


def _check_rate(rate: int, name: str) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"{name}: has a sample rate of {rate} Hz, outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")


def _decode(path: str, max_seconds: float) -> tuple[Float[Tensor, " n"], int]:
    """(samples of all channels mixed, sample rate) of a file's first audio track."""
    import av

    chunks: list[Tensor] = []
    try:
        with av.open(path) as container:
            if not container.streams.audio:
                raise ValueError(f"{path}: holds no audio track")
            rate = container.streams.audio[0].codec_context.sample_rate
            _check_rate(rate, path)
            floats = av.AudioResampler(format="fltp", rate=rate)
            left = int(max_seconds * rate)
            for frame in container.decode(audio=0):
                chunks += [_mixed(part) for part in floats.resample(frame)]
                left -= frame.samples
                if left < 0:
                    raise ValueError(f"{path}: lasts longer than the limit of {max_seconds:g} s")
            chunks += [_mixed(part) for part in floats.resample(None)]
    except av.FFmpegError as error:
        raise ValueError(f"{path}: cannot be read as sound ({error.strerror})") from error
    return torch.cat(chunks) if chunks else torch.zeros(0), rate


def _mixed(frame: "AudioFrame") -> Float[Tensor, " n"]:
    """The mean of the channels: libav's own mixing is louder or quieter, depending on the format."""
    return torch.from_numpy(frame.to_ndarray().mean(axis=0))
