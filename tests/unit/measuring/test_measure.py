"""The Claim harness on numbers that can be worked out by hand."""

import itertools
import json
import math
import random
import time

import pytest

from unimodal.measuring.measure import (
    BudgetMismatch,
    Claim,
    Direction,
    Evidence,
    Meter,
    Spread,
    Verdict,
    _t_quantile,
    timed_ratio,
)


def arm(scores: dict[int, float], steps: int = 10):
    def run(seed: int, meter: Meter) -> float:
        for _ in range(steps):
            meter.add("steps")
        meter.add("passes", seed)
        return scores[seed]

    return run


def evidence(ratios: list[float], threshold: float, direction: Direction = Direction.HIGHER) -> Evidence:
    seeds = list(range(len(ratios)))
    claim = Claim(
        method=arm(dict(enumerate(ratios))),
        baseline=arm(dict.fromkeys(seeds, 1.0)),
        seeds=seeds,
        budget={"steps": 10},
        threshold=threshold,
        direction=direction,
    )
    return claim.measure()


def test_ratio_and_interval_are_those_of_the_textbook() -> None:
    found = evidence([1.0, 2.0, 4.0], threshold=1.1)
    # Logarithms 0, ln 2, 2 ln 2: mean ln 2, standard error ln 2 / sqrt(3), t with two degrees of freedom 4.303.
    reach = 4.303 * math.log(2) / math.sqrt(3)
    assert found.ratio == pytest.approx(2.0)
    assert found.interval == pytest.approx((2 * math.exp(-reach), 2 * math.exp(reach)))


def test_scores_are_paired_by_seed() -> None:
    """Seeds differ by a factor of 1000, the method by 1.2 on each: only pairing sees that."""
    scale = {0: 1.0, 1: 30.0, 2: 1000.0}
    found = Claim(
        method=arm({seed: 1.2 * value for seed, value in scale.items()}),
        baseline=arm(scale),
        seeds=[2, 0, 1],
        budget={"steps": 10},
        threshold=1.1,
    ).measure()
    assert found.seeds == [2, 0, 1] and found.baseline == [1000.0, 1.0, 30.0]
    assert found.interval == pytest.approx((1.2, 1.2))
    assert found.verdict is Verdict.REPRODUCED


@pytest.mark.parametrize(
    ("ratios", "threshold", "direction", "verdict"),
    [
        ([1.20, 1.21, 1.22], 1.1, Direction.HIGHER, Verdict.REPRODUCED),
        ([1.05, 1.06, 1.07], 1.1, Direction.HIGHER, Verdict.DIRECTION),
        # The mean is past the threshold but the seeds do not agree.
        ([0.70, 1.30, 2.00], 1.1, Direction.HIGHER, Verdict.DIRECTION),
        ([0.95, 0.99, 0.97], 1.1, Direction.HIGHER, Verdict.NOT_REPRODUCED),
        ([1.0, 1.0, 1.0], 1.1, Direction.HIGHER, Verdict.NOT_REPRODUCED),
        # "At least 0.97 of the baseline" allows a small loss.
        ([0.98, 0.98, 0.98], 0.97, Direction.HIGHER, Verdict.REPRODUCED),
        ([0.90, 0.98, 1.06], 0.97, Direction.HIGHER, Verdict.DIRECTION),
        ([0.96, 0.96, 0.96], 0.97, Direction.HIGHER, Verdict.NOT_REPRODUCED),
        ([0.50, 0.51, 0.52], 0.9, Direction.LOWER, Verdict.REPRODUCED),
        ([0.94, 0.95, 0.96], 0.9, Direction.LOWER, Verdict.DIRECTION),
        ([1.10, 1.11, 1.12], 0.9, Direction.LOWER, Verdict.NOT_REPRODUCED),
    ],
)
def test_verdict(ratios: list[float], threshold: float, direction: Direction, verdict: Verdict) -> None:
    assert evidence(ratios, threshold, direction).verdict is verdict


def test_a_claim_without_an_effect_is_hardly_ever_reproduced() -> None:
    """Noise alone is called an effect in at most 2.5 % of the claims: so the interval has its width."""
    random.seed(0)
    found = [evidence([math.exp(random.gauss(0, 0.2)) for _ in range(4)], threshold=1.0) for _ in range(2000)]
    share = sum(row.verdict is Verdict.REPRODUCED for row in found) / len(found)
    assert 0.015 < share < 0.035


def test_many_seeds_continue_the_table_of_quantiles() -> None:
    assert _t_quantile(11) == pytest.approx(2.201, abs=0.001)
    assert _t_quantile(30) == pytest.approx(2.042, abs=0.001)
    quantiles = [_t_quantile(freedom) for freedom in range(1, 40)]
    assert all(before > after for before, after in itertools.pairwise(quantiles))


@pytest.mark.parametrize("culprit", ["method", "baseline"])
def test_an_arm_that_spends_more_is_refused(culprit: str) -> None:
    arms = {"method": arm({0: 2.0, 1: 2.0}), "baseline": arm({0: 1.0, 1: 1.0})}
    arms[culprit] = arm({0: 9.0, 1: 9.0}, steps=11)
    claim = Claim(**arms, seeds=[0, 1], budget={"steps": 10}, threshold=1.1)
    with pytest.raises(BudgetMismatch, match=f"{culprit}, seed 0: spent 11 steps where the budget is 10"):
        claim.measure()


def test_an_arm_that_does_not_count_is_refused() -> None:
    claim = Claim(
        method=lambda seed, meter: 2.0, baseline=arm({0: 1, 1: 1}), seeds=[0, 1], budget={"steps": 10}, threshold=1.1
    )
    with pytest.raises(BudgetMismatch, match="spent 0 steps"):
        claim.measure()


def test_parameters_may_differ_within_the_tolerance() -> None:
    def sized(parameters: int):
        def run(seed: int, meter: Meter) -> float:
            meter.add("parameters", parameters)
            return 1.0 + seed

        return run

    def claim(tolerance: float) -> Claim:
        return Claim(
            method=sized(1009),
            baseline=sized(1000),
            seeds=[0, 1],
            budget={"parameters": 1000},
            threshold=1.0,
            tolerance=tolerance,
        )

    assert claim(0.01).measure().ratio == 1.0
    with pytest.raises(BudgetMismatch):
        claim(0.001).measure()


@pytest.mark.parametrize("score", [0.0, -1.0, float("nan"), float("inf")])
def test_a_score_without_a_ratio_is_refused(score: float) -> None:
    with pytest.raises(ValueError, match="method, seed 0: the score"):
        evidence([score, 1.0], threshold=1.1)


def test_json_there_and_back() -> None:
    found = evidence([1.1, 1.3, 1.2], threshold=1.05, direction=Direction.HIGHER)
    written = json.dumps(found.as_dict())
    again = Evidence.from_dict(json.loads(written))
    assert again == found
    assert again.method_spent[2] == {"steps": 10, "passes": 2}
    assert json.loads(written)["verdict"] == found.verdict.value


def test_timed_ratio_alternates_and_finds_a_known_ratio() -> None:
    calls: list[str] = []

    def sleeper(name: str, seconds: float):
        def run() -> None:
            calls.append(name)
            time.sleep(seconds)

        return run

    found = timed_ratio(sleeper("a", 0.02), sleeper("b", 0.01), rounds=5)
    assert calls == ["a", "b"] * 6
    assert 1.5 < found.ratio < 2.5
    assert found.first_seconds > found.second_seconds and found.rounds == 5


def test_a_spread_is_not_moved_by_one_slow_round() -> None:
    assert Spread.of([3.0, 1.0, 90.0]) == Spread(median=3.0, low=1.0, high=90.0)
    assert Spread.of([2.0]) == Spread(2.0, 2.0, 2.0)
