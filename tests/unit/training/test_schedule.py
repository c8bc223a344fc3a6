"""Values of the schedule, and which parameters decay."""

import math

import pytest
import torch
from torch import nn

from unimodal.training.optimizer import AdamW
from unimodal.training.schedule import Constant, WarmUpCosine, WarmUpStableDecay


def test_warm_up_is_linear_and_the_cosine_ends_at_the_floor() -> None:
    schedule = WarmUpCosine(warmup=4, steps=12, floor=0.1)
    factors = [schedule.factor(step, 0.0) for step in range(14)]
    assert factors[:4] == pytest.approx([0.2, 0.4, 0.6, 0.8])
    expected = [0.1 + 0.9 * (1 + math.cos(math.pi * done / 8)) / 2 for done in range(9)]
    assert factors[4:13] == pytest.approx(expected)
    assert factors[13] == pytest.approx(0.1)
    assert Constant().factor(1000, 5.0) == 1


def test_a_run_that_goes_on_for_longer_has_the_rates_of_one_that_was_meant_to() -> None:
    short, long = (WarmUpStableDecay(warmup=3, decay=4, steps=steps) for steps in (12, 20))
    factors = [short.factor(step, 0.0) for step in range(12)]
    assert factors == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1, 1, 1, 0.8, 0.6, 0.4, 0.2])
    assert factors[:8] == [long.factor(step, 0.0) for step in range(8)]
    assert short.factor(12, 0.0) == 0
    with pytest.raises(ValueError, match="warmup, decay"):
        WarmUpStableDecay(warmup=6, decay=7, steps=12)


def test_time_ends_a_run_where_it_is_over_first() -> None:
    schedule = WarmUpCosine(warmup=0, steps=1000, seconds=60)
    assert schedule.factor(10, 30.0) == pytest.approx(0.5)
    assert schedule.factor(10, 60.0) == pytest.approx(0)
    assert schedule.factor(500, 3.0) == pytest.approx(0.5)


def test_a_warm_up_that_never_ends_is_named() -> None:
    with pytest.raises(ValueError, match="warmup"):
        WarmUpCosine(warmup=10, steps=10)


def test_matrices_alone_decay() -> None:
    module = nn.ModuleDict(
        {"table": nn.Embedding(4, 3), "linear": nn.Linear(3, 2), "norm": nn.LayerNorm(2), "frozen": nn.Linear(2, 2)}
    )
    module["frozen"].requires_grad_(False)
    optimizer = AdamW(learning_rate=0.1, weight_decay=0.5).make(module)
    found = {
        name: group["weight_decay"]
        for name, parameter in module.named_parameters()
        for group in optimizer.param_groups
        if any(parameter is other for other in group["params"])
    }
    assert found == {"table.weight": 0, "linear.weight": 0.5, "linear.bias": 0, "norm.weight": 0, "norm.bias": 0}
    assert isinstance(optimizer, torch.optim.AdamW)
