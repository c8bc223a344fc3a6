"""Every feed-forward of the folder: entry by entry, and what its formula says."""

from typing import Any

import pytest
import torch

from tests.laws.parts import ARGUMENTS, DIM, close, factory, final_classes, label, randomised, specs
from unimodal.activations import Activation
from unimodal.build import build
from unimodal.feedforwards import FeedForward

every_feedforward = pytest.mark.parametrize("spec", specs("unimodal.feedforwards"), ids=label)


def test_every_feedforward_of_the_folder_is_tried_here() -> None:
    assert [name for name in final_classes("unimodal.feedforwards", FeedForward) if name not in ARGUMENTS] == []


@every_feedforward
def test_an_entry_depends_on_itself_alone(spec: Any) -> None:
    feedforward = randomised(factory(spec, FeedForward)(DIM))
    x = torch.randn(2, 5, DIM)
    found = feedforward(x)
    for b in range(2):
        for t in range(5):
            close(found[b : b + 1, t : t + 1], feedforward(x[b : b + 1, t : t + 1]))


@every_feedforward
def test_every_weight_learns_and_a_factory_gives_fresh_ones(spec: Any) -> None:
    make = factory(spec, FeedForward)
    first, second = randomised(make(DIM)), randomised(make(DIM))
    first(torch.randn(2, 5, DIM)).square().sum().backward()
    for name, weight in first.named_parameters():
        assert weight.grad is not None and weight.grad.any(), name
        assert not torch.equal(weight, second.get_parameter(name))


@every_feedforward
def test_the_formula(spec: Any) -> None:
    feedforward, x = randomised(factory(spec, FeedForward)(DIM)), torch.randn(1, 3, DIM)
    weights = {name: torch.zeros(()) for name in ("up.bias", "gate.bias", "down.bias")} | dict(
        feedforward.named_parameters()
    )
    activation = build(spec["activation"], Activation)
    inner = x @ weights["up.weight"].T + weights["up.bias"]
    if spec["class"].endswith("Gated"):
        inner = activation(x @ weights["gate.weight"].T + weights["gate.bias"]) * inner
    else:
        inner = activation(inner)
    close(feedforward(x), inner @ weights["down.weight"].T + weights["down.bias"])
    assert ("down.bias" in dict(feedforward.named_parameters())) == spec.get("bias", spec["class"].endswith("Dense"))
