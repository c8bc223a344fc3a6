"""Shares follow temperature and fixed shares; draws are a function of seed and window, in rounds without repeats."""

from collections import Counter

import pytest

from unimodal.training.mixture import Mixture, Stream

SIZES = {"large": 900, "middle": 90, "small": 10}


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_shares_are_powers_of_sizes(temperature: float) -> None:
    shares = Mixture(temperature=temperature).shares(SIZES)
    assert sum(shares.values()) == pytest.approx(1)
    assert shares["large"] / shares["small"] == pytest.approx(90 ** (1 / temperature))
    assert shares["large"] / shares["middle"] == pytest.approx(10 ** (1 / temperature))


def test_a_high_temperature_makes_all_alike_and_most_limits_a_size() -> None:
    assert Mixture(temperature=1e6).shares(SIZES)["small"] == pytest.approx(1 / 3, abs=1e-3)
    assert Mixture(most=90).shares(SIZES)["large"] == pytest.approx(90 / 190)


def test_fixed_shares_hold_and_the_rest_is_divided() -> None:
    shares = Mixture(shares={"small": 0.5, "absent": 0.1}).shares(SIZES)
    assert shares == pytest.approx({"large": 0.5 * 900 / 990, "middle": 0.5 * 90 / 990, "small": 0.5})
    assert Mixture(shares={"small": 0.2, "large": 0.2}).shares({"small": 5, "large": 5}) == {"small": 0.5, "large": 0.5}
    assert Mixture(shares={"small": 1.0}).shares(SIZES) == {"large": 0, "middle": 0, "small": 1}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperature": 0.0}, "temperature"),
        ({"shares": {"a": 0.7, "b": 0.7}}, "shares"),
        ({"shares": {"a": -0.1}}, "shares"),
    ],
)
def test_impossible_shares_are_named(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Mixture(**settings)


def stream(seed: int = 0) -> Stream:
    return Stream(SIZES, Mixture(temperature=2.0).shares(SIZES), window=64, seed=seed)


def test_windows_are_a_function_of_seed_and_number() -> None:
    forward = stream()
    drawn = [forward.window(number) for number in range(12)]
    backward = stream()
    assert [backward.window(number) for number in reversed(range(12))] == drawn[::-1]
    assert stream().window(7) == drawn[7] and stream(seed=1).window(7) != drawn[7]


def test_examples_come_in_rounds_each_shuffled_anew() -> None:
    drawn = stream()
    draws = [draw for number in range(60) for draw in drawn.window(number)]
    for task, size in SIZES.items():
        examples = [example for name, example in draws if name == task]
        rounds = [examples[start : start + size] for start in range(0, len(examples), size)]
        assert all(len(set(round_)) == len(round_) for round_ in rounds)
        assert all(sorted(round_) == list(range(size)) for round_ in rounds[:-1])
    smalls = [example for name, example in draws if name == "small"]
    assert smalls[:10] != smalls[10:20]


def test_tasks_are_drawn_by_their_shares() -> None:
    drawn, shares = stream(), Mixture(temperature=2.0).shares(SIZES)
    counts = Counter(task for number in range(150) for task, _ in drawn.window(number))
    for task, share in shares.items():
        expected = share * 150 * 64
        assert abs(counts[task] - expected) < 4 * (expected * (1 - share)) ** 0.5
