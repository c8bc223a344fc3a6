"""Schedules: by how much the learning rate is scaled as training goes on."""

import math
from abc import ABC, abstractmethod
from typing import final


class Schedule(ABC):
    """A factor of the learning rate."""

    @abstractmethod
    def factor(self, step: int, seconds: float) -> float:
        """Before the step of this number, counted from 0, when training has taken `seconds` so far."""


@final
class Constant(Schedule):
    """The learning rate as it is."""

    def factor(self, step: int, seconds: float) -> float:
        return 1.0


@final
class WarmUpCosine(Schedule):
    """Linear up to 1 in `warmup` steps, then half a cosine down to `floor` (Loshchilov and Hutter 2017, 1608.03983).

    The end comes after `steps`, or after `seconds` of training where they are given and over first: then the machine's
    speed decides what a run does, so two runs are not equal.
    """

    def __init__(self, *, warmup: int, steps: int, seconds: float | None = None, floor: float = 0.0) -> None:
        if not 0 <= warmup < steps:
            raise ValueError(f"warmup: expected fewer than steps ({steps}), got {warmup}")
        self.warmup, self.steps, self.seconds, self.floor = warmup, steps, seconds, floor

    def factor(self, step: int, seconds: float) -> float:
        rising = min(1.0, (step + 1) / (self.warmup + 1))
        done = (step - self.warmup) / (self.steps - self.warmup)
        if self.seconds is not None:
            done = max(done, seconds / self.seconds)
        falling = (1 + math.cos(math.pi * min(1.0, max(0.0, done)))) / 2
        return rising * (self.floor + (1 - self.floor) * falling)


@final
class WarmUpStableDecay(Schedule):
    """Linear up to 1 in `warmup` steps, 1, then linear down to 0 in the last `decay` (Hu et al. 2024, 2404.06395).

    A run goes on for longer from any checkpoint before the decay, as if it had been meant to from the start.
    """

    def __init__(self, *, warmup: int, decay: int, steps: int) -> None:
        if min(warmup, decay) < 0 or warmup + decay > steps:
            raise ValueError(f"warmup, decay: expected {steps} steps or fewer together, got {warmup} and {decay}")
        self.warmup, self.decay, self.steps = warmup, decay, steps

    def factor(self, step: int, seconds: float) -> float:
        rising = (step + 1) / (self.warmup + 1)
        falling = (self.steps - step) / (self.decay + 1)
        return max(0.0, min(1.0, rising, falling))
