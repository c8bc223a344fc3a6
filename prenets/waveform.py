"""Recorded sound as samples: reading any audio file, and the checks that every user of sound needs.

n samples
"""

import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from av import AudioFrame
    from av.container import InputContainer

LOWEST_RATE, HIGHEST_RATE = 4_000, 384_000
"""Sample rates in Hz that sound is recorded at; anything else is a broken header."""
SILENCE = 1e-4
"""Full scale is 1: no recording whose loudest sample is below this holds anything that could be heard."""
COUNTED = ("aiff", "caf", "flac")
"""Formats, beside WAV, whose header says how many samples follow; of the others a part is as whole as all."""
PLACEHOLDER = 0x7FF00000
"""Bytes, or more, that a WAV file's header promises where its writer did not know the length."""
TOLERANCE = 0.1
"""Seconds that a header may promise too much: writers round."""


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
        """The first audio track of a file, mixed to one channel, at its own sample rate.

        Formats are libav's, told by content and not by name: WAV, FLAC, Ogg (Vorbis, Opus), MP3, AAC, G.722, AIFF, also
        the sound of a video. Raises FileNotFoundError, or ValueError that names the file when it is no sound, silent,
        cut off, or longer than `max_seconds`.
        """
        chunks, num_samples, rate = [], 0, 0
        for chunk, rate in read_chunks(path):
            chunks.append(chunk)
            num_samples += len(chunk)
            if num_samples > max_seconds * rate:
                raise ValueError(f"{path}: lasts longer than the limit of {max_seconds:g} s")
        if not num_samples:
            raise ValueError(f"{path}: holds no sound (0 samples)")
        sound = cls(torch.cat(chunks), rate, str(path))
        check_loud(float(sound.samples.abs().max()), sound.name)
        return sound

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


def read_chunks(path: str | Path) -> Iterator[tuple[Float[Tensor, " n"], int]]:
    """A file's first audio track, some thousand samples at a time: (samples of all channels mixed, sample rate).

    Raises as `Waveform.read`; that a file is cut off shows at its end.
    """
    import av

    if not Path(path).is_file():
        raise FileNotFoundError(f"{path}: no such file")
    try:
        with av.open(str(path)) as container:
            if not container.streams.audio:
                raise ValueError(f"{path}: holds no audio track")
            rate = container.streams.audio[0].codec_context.sample_rate
            _check_rate(rate, str(path))
            floats, kind, num_samples = av.AudioResampler(format="fltp", rate=rate), None, 0
            for frame in container.decode(audio=0):
                kind, before = (frame.format.name, frame.layout.name, frame.sample_rate), kind
                if before not in (None, kind):
                    raise ValueError(f"{path}: changes its format midway")
                num_samples += frame.samples
                yield from ((_mixed(part), rate) for part in floats.resample(frame))
            yield from ((_mixed(part), rate) for part in floats.resample(None))
            _check_length(num_samples / rate, container, str(path))
    except av.FFmpegError as error:
        raise ValueError(f"{path}: cannot be read as sound ({error.strerror})") from error


def check_loud(peak: float, name: str) -> None:
    """Raises ValueError for sound whose loudest sample is no sound."""
    if peak < SILENCE:
        raise ValueError(f"{name}: holds nothing but silence")


def _check_rate(rate: int, name: str) -> None:
    if not LOWEST_RATE <= rate <= HIGHEST_RATE:
        raise ValueError(f"{name}: has a sample rate of {rate} Hz, outside {LOWEST_RATE} to {HIGHEST_RATE} Hz")


def _check_length(seconds: float, container: "InputContainer", path: str) -> None:
    """Raises ValueError where the header promises more sound than there is: the file was cut off, or lies."""
    stream = container.streams.audio[0]
    promised = _promised_by_wav(path) if container.format.name == "wav" else None
    if container.format.name in COUNTED and stream.duration is not None and stream.time_base is not None:
        promised = float(stream.duration * stream.time_base)
    if promised is not None and promised - seconds > TOLERANCE:
        raise ValueError(f"{path}: ends after {seconds:.2f} s of the {promised:.2f} s that its header promises")


def _promised_by_wav(path: str) -> float | None:
    """Seconds that a WAV file's header promises, which libav corrects by the size of the file; None where it does not.

    A program that writes into a pipe does not know the length beforehand, and puts 2 GB or more in its place, or 0.
    """
    with Path(path).open("rb") as file:
        file.seek(12)  # RIFF, size, WAVE
        bytes_per_second = 0
        while len(header := file.read(8)) == 8:
            name, size = struct.unpack("<4sI", header)
            if name == b"data":
                return size / bytes_per_second if bytes_per_second and size < PLACEHOLDER else None
            content = file.read(12) if name == b"fmt " else b""
            if len(content) == 12:
                bytes_per_second = struct.unpack("<8xI", content)[0]
            file.seek(size + size % 2 - len(content), os.SEEK_CUR)
    return None


def _mixed(frame: "AudioFrame") -> Float[Tensor, " n"]:
    """The mean of the channels: libav's own mixing is louder or quieter, depending on the format."""
    return torch.from_numpy(frame.to_ndarray().mean(axis=0))
