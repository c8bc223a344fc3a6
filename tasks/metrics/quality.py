"""How good a sound is beside the clean one, as listeners would say (pesq).

p pairs
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.prenets.spectrogram import RATE
from unimodal.tasks.metrics import Mean, overlapping, paired, require

WORST = 1.0
"""Of the scale of mean opinion scores."""
SHORTEST = RATE // 4
"""Samples that PESQ can judge."""


@final
class PerceivedQuality(Mean):
    """Perceptual evaluation of speech quality, wide band (ITU-T P.862.2, 2007): a mean opinion score, 1.0 to 4.64.

    The two sounds have to be of one recording; the longer one is cut at its end. Sound in which PESQ finds no speech,
    or that is shorter than a quarter of a second, is given 1.0. The library is compiled when it is installed, which
    needs a C compiler and Python's headers (Debian: gcc, python3-dev); so it has an extra of its own.
    """

    name = "PESQ"
    higher_is_better = True

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        library = require("pesq", extra="quality")

        def measure(prediction: object, reference: object) -> float:
            heard, clean = overlapping(prediction, reference)
            if len(clean) < SHORTEST or not heard.any():
                return WORST
            try:
                return float(library.pesq(RATE, clean, heard, "wb"))
            except library.NoUtterancesError:
                return WORST

        return paired(measure, predictions, references)
