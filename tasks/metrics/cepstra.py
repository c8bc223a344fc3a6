"""Mel-cepstral distortion: the smooth shapes of two spectra apart, in decibels.

n, m frames of the two, f mel bands, c coefficients, p pairs
"""

import math
from collections.abc import Sequence
from functools import cache
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.prenets.spectrogram import NUM_BANDS
from unimodal.tasks.metrics import Mean, paired
from unimodal.tasks.metrics.mel_distance import mel_frames, warped_distance

NUM_COEFFICIENTS = 13
DECIBELS = 10 * math.sqrt(2) / math.log(10)
"""Of a cosine of height 1 in the natural logarithm of a magnitude spectrum, as root mean square: 6.1419."""


@final
class MelCepstralDistortion(Mean):
    """Mean distance in decibels of aligned frames' cepstra (Kubichek 1993, doi:10.1109/PACRIM.1993.407206).

    A frame's cepstrum has the cosines 1 to 13 of its 80 log-mel bands (0 to 8 kHz, every 10 ms, windows of 50 ms); the
    mean of the bands, which is loudness, is left out. The distance is `10 sqrt(2) / ln 10` times the Euclidean one.
    Frames are aligned by dynamic time warping (Sakoe and Chiba, 1978, symmetric form, no window), silences included,
    and the mean is over the frames of both sides. Papers that take WORLD's or SPTK's cepstra, other numbers of
    coefficients or leave silence out have other values: compare within one table only.
    """

    name = "mel-cepstral distortion"
    higher_is_better = False

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        return paired(
            lambda first, second: warped_distance(_distances(cepstra(first), cepstra(second))),
            map(mel_frames, predictions),
            map(mel_frames, references),
        )


def cepstra(frames: Float[np.ndarray, "n f"]) -> Float[np.ndarray, "n c"]:
    """The heights of the cosines 1 to 13 in each frame's logarithms."""
    heights: Float[np.ndarray, "n c"] = frames @ _cosines(frames.shape[1])
    return heights


@cache
def _cosines(num_bands: int = NUM_BANDS) -> Float[np.ndarray, "f c"]:
    angles = np.pi * np.outer(np.arange(num_bands) + 0.5, np.arange(1, NUM_COEFFICIENTS + 1)) / num_bands
    return 2 / num_bands * np.cos(angles)


def _distances(first: Float[np.ndarray, "n c"], second: Float[np.ndarray, "m c"]) -> Float[np.ndarray, "n m"]:
    apart: Float[np.ndarray, "n m"] = DECIBELS * np.linalg.norm(first[:, None] - second[None], axis=-1)
    return apart
