"""Recordings of any length, heard window by window: where to cut first, then the samples of a window when asked for.

n samples, l levels of 20 ms
"""

from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.waveform import Waveform, check_loud, read_chunks

STEP = 0.02
"""Seconds of a level, about: the root mean square of a stretch."""
QUIET = 0.3
"""Seconds that are compared where a cut is looked for: about a pause between words."""
EARLIEST = 0.5
"""Share of the longest window before which none ends."""
FAINTEST = 1e-3
"""Share of the loudest level: a window without one above it (60 dB) holds no speech."""
LONGEST = 24 * 3600.0
"""Seconds of a recording."""


@final
@dataclass(frozen=True, eq=False)
class Window:
    """A stretch of a recording, from `start` to `end` in seconds; its samples are read when they are asked for."""

    sound: "LongSound"
    start: float
    end: float

    def read(self) -> Waveform:
        """What is heard in it, at the recording's own sample rate."""
        return self.sound.read(self)


@final
class LongSound:
    """A sound file that is never in memory as a whole: decoded once for its levels, once more for its windows.

    A window ends in the quietest 0.3 s between half of the longest that a window may be, and that. Windows do not
    overlap, and only those in which nobody speaks (60 dB below the loudest) are left out. They are read quickly in
    their order; whoever goes back has the file decoded again from its beginning.
    """

    def __init__(self, path: str | Path, *, window: float) -> None:
        """`window`: the longest, in seconds. Raises as `Waveform.read`, for the whole file."""
        self.path = path
        self.levels = read_levels(path)
        self._chunks: Iterator[tuple[Tensor, int]] = iter(())
        self._waiting, self._position = torch.zeros(0), self.levels.num_samples
        values, step = self.levels.values, self.levels.step
        cuts = [*cut(values, longest=max(1, int(window / step))), len(values)]
        self.windows = [
            Window(self, start * step, min(end * step, self.seconds))
            for start, end in zip([0, *cuts[:-1]], cuts, strict=True)
            if values[start:end].max() >= FAINTEST * values.max()
        ]

    @property
    def seconds(self) -> float:
        return self.levels.num_samples / self.levels.rate

    def read(self, window: Window) -> Waveform:
        """The samples of one of `windows`."""
        start, end = round(window.start * self.levels.rate), round(window.end * self.levels.rate)
        if start < self._position:
            self._chunks, self._waiting, self._position = read_chunks(self.path), torch.zeros(0), 0
        for _ in self._pieces(start - self._position):
            pass
        samples = torch.cat([*self._pieces(end - start)])
        return Waveform(samples, self.levels.rate, f"{self.path} from {window.start:.2f} s")

    def _pieces(self, number: int) -> Iterator[Float[Tensor, " n"]]:
        """The next samples, chunk by chunk."""
        self._position += number
        while number > 0:
            if not len(self._waiting):
                found = next((chunk for chunk, _ in self._chunks if len(chunk)), None)
                if found is None:
                    raise ValueError(f"{self.path}: has become shorter while it was read")
                self._waiting = found
            piece, self._waiting = self._waiting[:number], self._waiting[number:]
            number -= len(piece)
            yield piece


@final
@dataclass(frozen=True, eq=False)
class Levels:
    """How loud a recording is, every `step` seconds."""

    values: Float[np.ndarray, " l"]
    step: float
    rate: int
    num_samples: int


def read_levels(path: str | Path) -> Levels:
    """The levels of a file, which is decoded a little at a time. Raises as `Waveform.read`."""
    levels, rest = array("f"), torch.zeros(0)
    peak, width, rate, num_samples = 0.0, 1, 1, 0
    for chunk, rate in read_chunks(path):
        num_samples += len(chunk)
        if num_samples > LONGEST * rate:
            raise ValueError(f"{path}: lasts longer than the limit of {LONGEST / 3600:g} hours")
        if not bool(torch.isfinite(chunk).all()):
            raise ValueError(f"{path}: holds samples that are not finite numbers")
        peak, width = max(peak, float(chunk.abs().max())), round(STEP * rate)
        rest = torch.cat([rest, chunk])
        whole = len(rest) // width * width
        levels.extend(_loudness(rest[:whole].reshape(-1, width)))
        rest = rest[whole:]
    if not num_samples:
        raise ValueError(f"{path}: holds no sound (0 samples)")
    check_loud(peak, str(path))
    if len(rest):
        levels.extend(_loudness(rest[None]))
    return Levels(np.array(levels, dtype=np.float32), width / rate, rate, num_samples)


def cut(levels: Float[np.ndarray, " l"], *, longest: int) -> list[int]:
    """Where windows end, but for the last: each in the quietest stretch of its later half."""
    width = max(1, min(round(QUIET / STEP), longest // 2))
    sums = np.concatenate([[0.0], np.cumsum(levels, dtype=np.float64)])
    cuts, start = [], 0
    while len(levels) - start > longest:
        first, last = start + max(1, int(longest * EARLIEST)), start + longest
        lefts = np.arange(first, max(first + 1, last - width + 1))
        quietest = lefts[np.argmin(sums[lefts + width] - sums[lefts])]
        start = int(min(quietest + width // 2, last))
        cuts.append(start)
    return cuts


def _loudness(stretches: Float[Tensor, "l n"]) -> list[float]:
    found: list[float] = stretches.square().mean(dim=1).sqrt().tolist()
    return found
