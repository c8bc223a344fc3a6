"""Scalings: how a model that was trained on short texts turns its rotary positions on long ones.

h half the width of a head
"""

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor


class Scaling(ABC):
    """A function of the rates, in radians a position. Law: a rate stays positive and never grows."""

    @abstractmethod
    def __call__(self, rates: Float[Tensor, " h"]) -> Float[Tensor, " h"]:
        """The rates that positions are turned by."""


@final
class Linear(Scaling):
    """All rates divided by a factor, so that positions lie closer (Chen et al. 2023, 2306.15595)."""

    def __init__(self, *, factor: float) -> None:
        _check_factor(factor)
        self.factor = factor

    def __call__(self, rates: Float[Tensor, " h"]) -> Float[Tensor, " h"]:
        return rates / self.factor


@final
class Banded(Scaling):
    """Slow rates divided by a factor, quick ones kept, a linear blend between (Llama 3.1; 2407.21783).

    A rate is slow where it turns less than `slow_turns` times in `trained_length` positions, the length of the texts
    that the model was trained on first; quick where it turns more than `quick_turns` times.
    """

    def __init__(self, *, factor: float, slow_turns: float, quick_turns: float, trained_length: int) -> None:
        _check_factor(factor)
        if not 0 < slow_turns < quick_turns:
            raise ValueError(f"slow_turns, quick_turns: 0 < {slow_turns} < {quick_turns} does not hold")
        self.factor = factor
        self.slow_turns = slow_turns
        self.quick_turns = quick_turns
        self.trained_length = trained_length

    def __call__(self, rates: Float[Tensor, " h"]) -> Float[Tensor, " h"]:
        turns = self.trained_length * rates / (2 * math.pi)
        kept = ((turns - self.slow_turns) / (self.quick_turns - self.slow_turns)).clamp(0, 1)
        return torch.lerp(rates / self.factor, rates, kept)


def _check_factor(factor: float) -> None:
    if factor < 1:
        raise ValueError(f"factor: texts become longer by a factor of at least 1, not {factor}")
