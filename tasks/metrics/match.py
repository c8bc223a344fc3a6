"""How alike a prediction and its reference are as strings, in 0..1.

p pairs
"""

from collections.abc import Sequence
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.tasks.metrics import Mean, as_texts, paired, require


@final
class ExactMatch(Mean):
    """Share of the predictions that are their reference, blanks at the ends and doubled blanks aside."""

    name = "exact match"
    higher_is_better = True

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        return paired(lambda first, second: float(first == second), as_texts(predictions), as_texts(references))


@final
class EditSimilarity(Mean):
    """Mean of 1 - Levenshtein distance / length of the longer string: the usual score of code completion."""

    name = "edit similarity"
    higher_is_better = True

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        levenshtein = require("rapidfuzz.distance.Levenshtein", extra="evaluate")
        return paired(levenshtein.normalized_similarity, as_texts(predictions), as_texts(references))
