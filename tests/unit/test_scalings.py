"""Scalings of rotary positions: rates never grow, and which of them are kept."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from unimodal.scalings import Banded, Linear, Scaling

RATES = 1 / 10000 ** (torch.arange(32) / 32)
LLAMA = {"factor": 8.0, "slow_turns": 1.0, "quick_turns": 4.0, "trained_length": 8192}


@given(
    st.floats(1, 100),
    st.floats(0.1, 2),
    st.floats(2.1, 50),
    st.integers(1, 100_000),
)
def test_a_rate_stays_positive_and_never_grows(factor: float, slow: float, quick: float, length: int) -> None:
    banded = Banded(factor=factor, slow_turns=slow, quick_turns=quick, trained_length=length)
    scalings: list[Scaling] = [Linear(factor=factor), banded]
    for scaling in scalings:
        found = scaling(RATES)
        assert (found > 0).all() and (found <= RATES * (1 + 1e-6)).all()
        assert (found >= RATES / factor * (1 - 1e-6)).all()
        assert (found.diff() < 0).all()  # the order of rates is kept


def test_positions_lie_closer_by_the_factor() -> None:
    torch.testing.assert_close(7 * Linear(factor=3.5)(RATES), 2 * RATES)


def test_quick_rates_are_kept_and_slow_ones_divided() -> None:
    found = Banded(**LLAMA)(RATES)
    turns = 8192 * RATES / (2 * math.pi)
    assert torch.equal(found[turns > 4], RATES[turns > 4]) and (turns > 4).any()
    torch.testing.assert_close(found[turns < 1], RATES[turns < 1] / 8)
    between = (turns > 1) & (turns < 4)
    assert between.any() and (found < RATES)[between].all() and (found > RATES / 8)[between].all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"factor": 0.5}, "factor: texts become longer by a factor of at least 1, not 0.5"),
        ({"slow_turns": 4.0}, "slow_turns, quick_turns: 0 < 4.0 < 4.0 does not hold"),
    ],
)
def test_what_makes_no_sense_is_named(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Banded(**{**LLAMA, **settings})
