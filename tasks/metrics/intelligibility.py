"""How well words can be understood through what was done to a sound (pystoi).

p pairs
"""

import warnings
from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.prenets.spectrogram import RATE
from unimodal.tasks.metrics import Mean, overlapping, paired, require

NOTHING = 1e-5
"""What pystoi gives where there is too little to compare."""
SHORTEST = 2 * RATE // 5
"""Samples of the 30 frames that are compared at once."""


@final
class ShortTimeIntelligibility(Mean):
    """Short-time objective intelligibility, about 0 to 1 (STOI; Taal et al. 2011, doi:10.1109/TASL.2011.2114881).

    Correlation of short-time envelopes in 15 third-octave bands, over the frames in which the reference speaks. The
    two sounds have to be of one recording, moment by moment; the longer one is cut at its end. A reference with less
    than 0.4 s of sound counts 0.00001, as pystoi has it, and so does what lasts no longer.
    """

    name = "STOI"
    higher_is_better = True

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        stoi = require("pystoi", extra="evaluate").stoi

        def measure(prediction: object, reference: object) -> float:
            heard, clean = overlapping(prediction, reference)
            if len(clean) < SHORTEST:
                return NOTHING
            with warnings.catch_warnings():
                warnings.filterwarnings("ignore", "Not enough STFT frames", RuntimeWarning)
                return float(stoi(clean, heard, RATE))

        return paired(measure, predictions, references)
