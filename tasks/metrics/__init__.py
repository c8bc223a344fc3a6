"""Predictions and references -> one number. The contract, `Metric`, is the engine's.

Laws: a reference against itself scores best; the order of the pairs does not matter; any string may be predicted, and
any sound; a tally has a row for each pair, whose score does not depend on the others.
p pairs, n samples
"""

from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from typing import Any, final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.task import Metric

__all__ = ["Mean", "Metric", "as_texts", "as_waveform", "overlapping", "paired", "require"]


class Mean(Metric):
    """A number of each pair, and their mean over the set; abstract."""

    @final
    def score(self, tally: Float[np.ndarray, "p 1"]) -> float:
        return float(tally.mean())


def paired(
    measure: Callable[[Any, Any], float], predictions: Iterable[object], references: Iterable[object]
) -> Float[np.ndarray, "p 1"]:
    """The tally of a measure of single pairs."""
    return np.array([[measure(first, second)] for first, second in zip(predictions, references, strict=True)])


def as_texts(values: Sequence[object]) -> list[str]:
    """The values as a metric of texts compares them: stripped, runs of blanks as one."""
    return [" ".join(str(value).split()) for value in values]


def as_waveform(value: object) -> Waveform:
    """A Waveform at 16 kHz, from one at any rate or from samples at 16 kHz."""
    match value:
        case Waveform():
            return value.resampled(RATE)
        case Tensor() if value.ndim == 1:
            return Waveform(value.detach().cpu().float(), RATE)
        case _:
            raise AssertionError(f"no speech: {type(value).__name__}")


def overlapping(first: object, second: object) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The samples of two sounds at 16 kHz, as long as the shorter one is."""
    one, other = (as_waveform(value).samples.double().numpy() for value in (first, second))
    length = min(len(one), len(other))
    return one[:length], other[:length]


def require(module: str, *, extra: str) -> Any:
    """A library that a metric needs. Raises ValueError that says how it is installed where it is missing."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f"{module}: is not installed; pip install 'unimodal[{extra}]'") from error
