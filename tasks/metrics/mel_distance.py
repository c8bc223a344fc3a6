"""Distance between two spectrograms of unlike length.

n, m frames of the two, f mel bands, p pairs
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.spectrogram import RATE, VOICE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.metrics import Mean, paired


@final
class MelDistance(Mean):
    """Mean distance of aligned log-mel frames under dynamic time warping: 0 is the reference itself.

    Frames are compared by their root mean square difference over the bands, in the unit of the log-mel (natural
    logarithm), silences included. Warping pays for every frame of both sides (Sakoe and Chiba, 1978, symmetric form),
    so that a speaker who is slower than the reference loses nothing and one who stops early loses the rest.
    """

    name = "mel distance"
    higher_is_better = False

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        return paired(
            lambda first, second: warped_distance(frame_distances(first, second)),
            map(mel_frames, predictions),
            map(mel_frames, references),
        )


def mel_frames(value: object) -> Float[np.ndarray, "n f"]:
    """The log-mel frames of a Waveform, of samples at 16 kHz, or of frames that are there already."""
    match value:
        case Waveform():
            frames = VOICE(value.resampled(RATE).samples)
        case Tensor() if value.ndim == 1:
            frames = VOICE(value.detach().cpu().float())
        case Tensor():
            frames = value.detach().cpu()
        case _:
            raise AssertionError(f"no speech: {type(value).__name__}")
    return frames.double().numpy()


def frame_distances(first: Float[np.ndarray, "n f"], second: Float[np.ndarray, "m f"]) -> Float[np.ndarray, "n m"]:
    """Root mean square difference of every frame of `first` and every frame of `second`."""
    squares = (first**2).mean(1)[:, None] + (second**2).mean(1)[None] - 2 * first @ second.T / first.shape[1]
    roots: Float[np.ndarray, "n m"] = np.sqrt(np.maximum(squares, 0))
    return roots


def warped_distance(distances: Float[np.ndarray, "n m"]) -> float:
    """The cheapest alignment of all rows with all columns, per row and column: one antidiagonal at a time."""
    rows, columns = distances.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0
    for diagonal in range(2, rows + columns + 1):
        row = np.arange(max(1, diagonal - columns), min(rows, diagonal - 1) + 1)
        column = diagonal - row
        step = distances[row - 1, column - 1]
        one_side = np.minimum(total[row - 1, column], total[row, column - 1]) + step
        total[row, column] = np.minimum(one_side, total[row - 1, column - 1] + 2 * step)
    return float(total[-1, -1] / (rows + columns))
