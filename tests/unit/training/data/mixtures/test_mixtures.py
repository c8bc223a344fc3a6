"""Shares are those of the papers' rules, sum to 1, and follow no order of tasks."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from unimodal.training.data.mixtures import Mixture
from unimodal.training.data.mixtures.fixed import Fixed
from unimodal.training.data.mixtures.temperature import Temperature
from unimodal.training.data.mixtures.unimax import UniMax

SIZES = {"large": 900, "middle": 90, "small": 10}
PARTS: list[Mixture] = [
    Temperature(temperature=2.0),
    UniMax(budget=600, epochs=2.0),
    Fixed(shares={"a": 0.3, "absent": 0.2}, rest=UniMax(budget=100, epochs=1.0)),
]


@pytest.mark.parametrize("part", PARTS, ids=lambda part: type(part).__name__)
@given(sizes=st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**6), min_size=2))
def test_shares_sum_to_one_in_any_order(part: Mixture, sizes: dict[str, int]) -> None:
    shares = part.shares(sizes)
    assert shares.keys() == sizes.keys() and min(shares.values()) >= 0
    assert sum(shares.values()) == pytest.approx(1)
    assert part.shares(dict(reversed(sizes.items()))) == pytest.approx(shares)


@pytest.mark.parametrize("temperature", [1.0, 2.0, 5.0])
def test_shares_are_powers_of_sizes(temperature: float) -> None:
    shares = Temperature(temperature=temperature).shares(SIZES)
    assert shares["large"] / shares["small"] == pytest.approx(90 ** (1 / temperature))
    assert shares["large"] / shares["middle"] == pytest.approx(10 ** (1 / temperature))


def test_a_high_temperature_makes_all_alike_and_most_limits_a_size() -> None:
    assert Temperature(temperature=1e6).shares(SIZES)["small"] == pytest.approx(1 / 3, abs=1e-3)
    assert Temperature(most=90).shares(SIZES)["large"] == pytest.approx(90 / 190)


def test_unimax_is_even_until_a_task_has_had_its_rounds() -> None:
    def drawn(budget: int) -> dict[str, float]:
        return {task: share * budget for task, share in UniMax(budget=budget, epochs=2.0).shares(SIZES).items()}

    assert drawn(30) == pytest.approx({"large": 10, "middle": 10, "small": 10})
    assert drawn(120) == pytest.approx({"large": 50, "middle": 50, "small": 20})
    assert drawn(1000) == pytest.approx({"large": 800, "middle": 180, "small": 20})
    # More than every task may give: all stand at their most.
    assert UniMax(budget=10**6, epochs=2.0).shares(SIZES) == pytest.approx(
        {"large": 0.9, "middle": 0.09, "small": 0.01}
    )


def test_fixed_shares_hold_and_the_rest_is_divided() -> None:
    shares = Fixed(shares={"small": 0.5, "absent": 0.1}).shares(SIZES)
    assert shares == pytest.approx({"large": 0.5 * 900 / 990, "middle": 0.5 * 90 / 990, "small": 0.5})
    assert Fixed(shares={"small": 0.2, "large": 0.2}).shares({"small": 5, "large": 5}) == {"small": 0.5, "large": 0.5}
    assert Fixed(shares={"small": 1.0}).shares(SIZES) == {"large": 0, "middle": 0, "small": 1}


def test_impossible_shares_are_named() -> None:
    with pytest.raises(ValueError, match="temperature"):
        Temperature(temperature=0.0)
    with pytest.raises(ValueError, match="epochs"):
        UniMax(budget=10, epochs=0.0)
    with pytest.raises(ValueError, match="shares"):
        Fixed(shares={"a": 0.7, "b": 0.7})
    with pytest.raises(ValueError, match="shares"):
        Fixed(shares={"a": -0.1})
    with pytest.raises(ValueError, match="no task has a share"):
        Fixed(shares={"a": 0.0}).shares({"a": 5})
