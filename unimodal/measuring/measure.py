"""Measuring a claim: a method beside its baseline on the same seeds and the same budget, as a ratio with an interval.

Absolute numbers mean little on a shared machine and with small models, so everything here is a ratio of two runs made
side by side. A verdict is computed from the scores, never given.
"""

import math
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from enum import Enum
from typing import Any, final


class BudgetMismatch(AssertionError):
    """An arm spent more or less than the budget that both arms were given: the comparison would not be fair."""


class Direction(Enum):
    """Which side of the threshold the ratio of method to baseline should be on."""

    HIGHER = "higher"
    LOWER = "lower"


class Verdict(Enum):
    """What the scores of a claim say."""

    REPRODUCED = "reproduced"
    DIRECTION = "direction"
    NOT_REPRODUCED = "not reproduced"


@final
class Meter:
    """Counts what one run spends: optimiser steps, parameters, target passes, bytes, seconds ..."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = {}

    def add(self, unit: str, amount: float = 1.0) -> None:
        """Adds to what was spent of `unit`."""
        self.spent[unit] = self.spent.get(unit, 0.0) + amount


Arm = Callable[[int, Meter], float]
"""Seed, meter -> score, a positive number. It seeds everything that it draws, and reports what it spends."""


@final
@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What a claim's runs gave; scores are paired by seed."""

    seeds: list[int]
    method: list[float]
    baseline: list[float]
    threshold: float
    direction: Direction
    method_spent: list[dict[str, float]] = field(default_factory=list)
    baseline_spent: list[dict[str, float]] = field(default_factory=list)

    @property
    def ratios(self) -> list[float]:
        """Method over baseline, seed by seed."""
        return [method / baseline for method, baseline in zip(self.method, self.baseline, strict=True)]

    @property
    def ratio(self) -> float:
        """Geometric mean of the ratios."""
        return statistics.geometric_mean(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """95 % interval of the geometric mean: Student's t on the logarithms of the ratios."""
        logarithms = [math.log(ratio) for ratio in self.ratios]
        error = statistics.stdev(logarithms) / math.sqrt(len(logarithms))
        reach = _t_quantile(len(logarithms) - 1) * error
        centre = statistics.fmean(logarithms)
        return math.exp(centre - reach), math.exp(centre + reach)

    @property
    def verdict(self) -> Verdict:
        """REPRODUCED when the whole interval is past the threshold, DIRECTION when only the mean points the right way.

        The right way of a threshold that asks for an effect (beyond 1) is beyond 1; that of a threshold which allows a
        loss ("at least 0.97") is past the threshold.
        """
        low, high = self.interval
        if self.direction is Direction.HIGHER:
            holds, points = low >= self.threshold, self.ratio > 1 or self.ratio >= self.threshold
        else:
            holds, points = high <= self.threshold, self.ratio < 1 or self.ratio <= self.threshold
        if holds:
            return Verdict.REPRODUCED
        return Verdict.DIRECTION if points else Verdict.NOT_REPRODUCED

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON, the derived ones included for whoever reads the file."""
        derived = {"ratio": self.ratio, "interval": list(self.interval), "verdict": self.verdict.value}
        return {**asdict(self), "direction": self.direction.value, **derived}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Evidence":
        """The evidence that `as_dict` gave; what can be derived is derived again."""
        taken = {entry.name: values[entry.name] for entry in fields(Evidence)}
        return Evidence(**{**taken, "direction": Direction(taken["direction"])})


@final
@dataclass(frozen=True, kw_only=True)
class Claim:
    """`method` over `baseline` is past `threshold` in `direction`, at equal `budget`.

    Both arms run on every seed and must spend, of each unit in `budget`, that amount within the relative `tolerance`.
    An arm may count further units (the target passes whose number is the point, say): they are reported only.
    """

    method: Arm
    baseline: Arm
    seeds: Sequence[int]
    budget: Mapping[str, float]
    threshold: float
    direction: Direction = Direction.HIGHER
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        assert len(set(self.seeds)) == len(self.seeds) >= 2, "an interval needs two different seeds or more"
        assert self.budget, "a comparison without a budget is not fair: name what both arms may spend"
        assert self.threshold > 0, "the threshold is a ratio"

    def measure(self) -> Evidence:
        """Runs both arms seed by seed. Raises BudgetMismatch, and ValueError where a score has no ratio."""
        runs = [
            (self._run("method", self.method, seed), self._run("baseline", self.baseline, seed)) for seed in self.seeds
        ]
        return Evidence(
            seeds=list(self.seeds),
            method=[method for (method, _), _ in runs],
            baseline=[baseline for _, (baseline, _) in runs],
            threshold=self.threshold,
            direction=self.direction,
            method_spent=[spent for (_, spent), _ in runs],
            baseline_spent=[spent for _, (_, spent) in runs],
        )

    def _run(self, name: str, arm: Arm, seed: int) -> tuple[float, dict[str, float]]:
        meter = Meter()
        score = float(arm(seed, meter))
        if not (math.isfinite(score) and score > 0):
            raise ValueError(f"{name}, seed {seed}: the score {score} has no ratio; scores are positive and finite")
        for unit, amount in self.budget.items():
            spent = meter.spent.get(unit, 0.0)
            if not math.isclose(spent, amount, rel_tol=self.tolerance, abs_tol=0.0):
                raise BudgetMismatch(f"{name}, seed {seed}: spent {spent:g} {unit} where the budget is {amount:g}")
        return score, meter.spent


@final
@dataclass(frozen=True)
class Spread:
    """A figure that was measured in several rounds."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """The median, the lowest and the highest of the rounds."""
        return cls(statistics.median(values), min(values), max(values))


@final
@dataclass(frozen=True)
class TimedRatio:
    """Time of a first function over the time of a second one, measured in turns."""

    ratio: float
    """Median over the rounds of first / second."""
    first_seconds: float
    second_seconds: float
    rounds: int


def timed_ratio(first: Callable[[], object], second: Callable[[], object], rounds: int = 9) -> TimedRatio:
    """Runs A B A B ... after one unmeasured call each, so that a busy machine slows both alike.

    On a GPU the functions end with a synchronisation.
    """
    assert rounds >= 1
    first()
    second()
    pairs = [(_seconds(first), _seconds(second)) for _ in range(rounds)]
    return TimedRatio(
        ratio=statistics.median(a / b for a, b in pairs),
        first_seconds=statistics.median(a for a, _ in pairs),
        second_seconds=statistics.median(b for _, b in pairs),
        rounds=rounds,
    )


def _seconds(function: Callable[[], object]) -> float:
    begin = time.perf_counter()
    function()
    return time.perf_counter() - begin


# 97.5 % quantiles of Student's t with 1, 2, 3 ... degrees of freedom.
_T_QUANTILES = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def _t_quantile(freedom: int) -> float:
    """The two-sided 95 % quantile; past the table its expansion in 1 / freedom, good to 0.001."""
    if freedom <= len(_T_QUANTILES):
        return _T_QUANTILES[freedom - 1]
    normal = 1.959964
    first = (normal**3 + normal) / 4
    second = (5 * normal**5 + 16 * normal**3 + 3 * normal) / 96
    third = (3 * normal**7 + 19 * normal**5 + 17 * normal**3 - 15 * normal) / 384
    return normal + first / freedom + second / freedom**2 + third / freedom**3
