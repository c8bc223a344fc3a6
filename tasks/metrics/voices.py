"""Whose voice it is: likeness of voices, and errors in telling two speakers apart.

p pairs, s numbers of a voice
"""

from collections.abc import Callable, Sequence
from typing import final

import numpy as np
from jaxtyping import Float
from torch import Tensor, cosine_similarity

from unimodal.prenets.waveform import Waveform
from unimodal.tasks.metrics import Mean, Metric, as_waveform, paired, require

Voice = Callable[[Waveform], Tensor]
"""Speech -> the vector [s] of its speaker."""


@final
class SpeakerSimilarity(Mean):
    """Mean cosine of the voices' vectors, -1 to 1; it means what the encoder that makes the vectors has learned."""

    name = "speaker similarity"
    higher_is_better = True

    def __init__(self, voice: Voice) -> None:
        self.voice = voice

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        def measure(prediction: object, reference: object) -> float:
            first, second = (self.voice(as_waveform(value)).double() for value in (prediction, reference))
            return float(cosine_similarity(first, second, dim=0))

        return paired(measure, predictions, references)


@final
class EqualErrorRate(Metric):
    """Share of trials decided wrongly at the threshold where as many strangers pass as speakers are refused.

    A prediction is the likeness of two recordings, its reference whether one speaker made both.
    """

    name = "equal error rate"
    higher_is_better = False

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 2"]:
        return np.array(list(zip(predictions, references, strict=True)), dtype=float)

    def score(self, tally: Float[np.ndarray, "p 2"]) -> float:
        return equal_error_rate(tally[:, 0].tolist(), (tally[:, 1] > 0).tolist())


def equal_error_rate(scores: Sequence[float], is_same: Sequence[bool]) -> float:
    """Where the two rates cross, on the straight line between the two thresholds around it (scikit-learn's ROC curve).

    NaN where there are no trials of one speaker, or none of two.
    """
    if all(is_same) or not any(is_same):
        return float("nan")
    roc_curve = require("sklearn.metrics", extra="evaluate").roc_curve
    passed, accepted, _ = roc_curve(is_same, scores, drop_intermediate=False)
    refused = 1 - accepted
    after = int(np.argmax(passed >= refused))
    gaps = (refused - passed)[[after - 1, after]]
    share = gaps[0] / (gaps[0] - gaps[1])
    return float(passed[after - 1] + share * (passed[after] - passed[after - 1]))
