"""How alike a prediction and its reference are as strings, in 0..1."""

from collections.abc import Sequence
from typing import final

from unimodal.tasks.metrics import Metric, as_texts


@final
class ExactMatch(Metric):
    """Share of the predictions that are their reference, blanks at the ends and doubled blanks aside."""

    name = "exact match"
    higher_is_better = True

    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        pairs = list(zip(as_texts(predictions), as_texts(references), strict=True))
        return sum(prediction == reference for prediction, reference in pairs) / len(pairs)


@final
class EditSimilarity(Metric):
    """Mean of 1 - Levenshtein distance / length of the longer string: the usual score of code completion."""

    name = "edit similarity"
    higher_is_better = True

    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        from rapidfuzz.distance import Levenshtein

        pairs = list(zip(as_texts(predictions), as_texts(references), strict=True))
        return sum(Levenshtein.normalized_similarity(prediction, reference) for prediction, reference in pairs) / len(
            pairs
        )
