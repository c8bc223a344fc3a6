"""Edit distances as shares of the reference, pooled over the whole test set (jiwer)."""

from collections.abc import Sequence
from typing import final

from unimodal.tasks.metrics import Metric, as_texts


@final
class CharacterErrorRate(Metric):
    """Character edits per reference character: 0 is perfect, more than 1 is possible."""

    name = "character error rate"
    higher_is_better = False

    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        import jiwer

        return float(jiwer.cer(as_texts(references), as_texts(predictions)))


@final
class WordErrorRate(Metric):
    """Word edits per reference word: 0 is perfect, more than 1 is possible."""

    name = "word error rate"
    higher_is_better = False

    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        import jiwer

        return float(jiwer.wer(as_texts(references), as_texts(predictions)))
