"""Predictions and references -> one number. The contract, `Metric`, is the engine's.

Laws: a reference against itself scores best; the order of the pairs does not matter; any string may be predicted.
"""

from collections.abc import Sequence

from unimodal.task import Metric

__all__ = ["Metric", "as_texts"]


def as_texts(values: Sequence[object]) -> list[str]:
    """The values as a metric of texts compares them: stripped, runs of blanks as one."""
    return [" ".join(str(value).split()) for value in values]
