"""Speech on disk: all clips of a corpus in one file of 16-bit samples, read one clip at a time."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float, Int16

SAMPLING_RATE = 16_000
STORE_NAME = "speech.int16"


@final
@dataclass(frozen=True)
class Recording:
    """One clip, mono at 16 kHz, somewhere in a store; reads nothing until `samples` is called."""

    store: Path
    start: int
    num_samples: int

    @property
    def seconds(self) -> float:
        return self.num_samples / SAMPLING_RATE

    def samples(self) -> Float[np.ndarray, " time"]:
        """The waveform as float32 in [-1, 1)."""
        raw = np.fromfile(self.store, dtype="<i2", count=self.num_samples, offset=2 * self.start)
        return raw.astype(np.float32) / 32768


def decode(path: Path, container: str | None = None) -> Int16[np.ndarray, " time"]:
    """A sound file as mono 16-bit samples at 16 kHz; `container` names a format that the file itself does not tell."""
    import av

    resampler = av.AudioResampler(format="s16", layout="mono", rate=SAMPLING_RATE)
    with av.open(str(path), format=container) as source:
        frames = [out for frame in source.decode(audio=0) for out in resampler.resample(frame)]
        frames += resampler.resample(None)
    pieces = [frame.to_ndarray().reshape(-1) for frame in frames]
    return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)


def write_store(paths: Iterable[Path], folder: Path, container: str | None = None) -> list[tuple[int, int]]:
    """Decode sound files into the folder's store; start and number of samples of each, in the order given."""
    with ThreadPoolExecutor() as pool:
        return write_samples(pool.map(lambda path: decode(path, container), paths), folder)


def write_samples(clips: Iterable[Int16[np.ndarray, " _"]], folder: Path) -> list[tuple[int, int]]:
    """Write clips into the folder's store, one after the other; start and number of samples of each."""
    places, position = [], 0
    with (folder / STORE_NAME).open("wb") as store:
        for samples in clips:
            samples.astype("<i2").tofile(store)
            places.append((position, len(samples)))
            position += len(samples)
    return places
