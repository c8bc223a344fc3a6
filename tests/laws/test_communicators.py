"""What every communicator keeps to, among threads that take turns; processes are in tests/unit/links."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from tests.laws.parts import final_classes
from unimodal.agreement import digest, learning_parameters
from unimodal.build import build
from unimodal.communicators import Communicator, local_step
from unimodal.links import Link
from unimodal.links.in_process import LocalCluster
from unimodal.links.unreliable import Unreliable

SHARED = {"class": "unimodal.communicators.shared_directions.SharedDirections", "learning_rate": 0.01, "num_samples": 3}
FRAGMENTS = {"class": "unimodal.communicators.fragments.Fragments", "period": 4, "num_fragments": 2, "delay": 3}
SPECS: list[dict[str, Any]] = [
    {"class": "unimodal.communicators.all_reduce.AllReduce"},
    {"class": "unimodal.communicators.local_steps.LocalSteps", "period": 3},
    FRAGMENTS,
    {**FRAGMENTS, "delay": 0, "mix": 0.0, "wire_format": "unimodal.wire_formats.bfloat16.BFloat16"},
    SHARED,
]
OUTER = {"outer_learning_rate": 1.0, "outer_momentum": 0.0}
LIKE_ALONE: list[dict[str, Any]] = [
    SPECS[0],
    {**SPECS[1], **OUTER},
    {**FRAGMENTS, **OUTER, "delay": 0, "mix": 0.0, "wire_format": "unimodal.wire_formats.float32.Float32"},
]
"""With these settings one worker learns as if alone; directions are another way to learn."""


def label(spec: dict[str, Any]) -> str:
    return spec["class"].rpartition(".")[2]


class Net(nn.Module):
    """Layers between an entrance and an exit, with dropout, a frozen part and a buffer."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.entrance, self.exit = nn.Linear(4, 8), nn.Linear(8, 1)
        self.layers = nn.ModuleList(nn.Linear(8, 8) for _ in range(4))
        self.frozen = nn.Linear(8, 8).requires_grad_(False)
        self.dropout = nn.Dropout(0.1)
        self.register_buffer("steps", torch.zeros(()))

    def forward(self, x: Tensor) -> Tensor:
        x = self.frozen(self.entrance(x))
        for layer in self.layers:
            x = x + self.dropout(layer(x).tanh())
        out: Tensor = self.exit(x)
        return out


def step_of(net: Net, optimizer: torch.optim.Optimizer, number: int, step: int) -> Any:
    generator = torch.Generator().manual_seed(100 * number + step)
    x = torch.randn(8, 4, generator=generator)

    def loss() -> Tensor:
        torch.manual_seed(step)  # dropout's
        return (net(x) - x.sum(1, keepdim=True).sin()).square().mean()

    return local_step(loss, optimizer)


def optimizer_of(net: Net) -> torch.optim.Optimizer:
    return torch.optim.AdamW(learning_parameters(net), lr=0.01)


def learn(spec: dict[str, Any], link: Link, steps: int = 11, spoil: Callable[[Net], None] = lambda net: None) -> Any:
    net = Net()
    spoil(net)
    optimizer, communicator = optimizer_of(net), build(spec, Communicator, link=link)
    communicator.begin(net)
    for step in range(steps):
        communicator.step(net, step, step_of(net, optimizer, link.number, step))
    communicator.finish(net)
    return net, communicator, optimizer


def bits(net: nn.Module) -> list[int]:
    found: list[int] = digest(list(net.parameters())).tolist()
    return found


def test_every_communicator_is_tried() -> None:
    assert set(final_classes("unimodal.communicators", Communicator)) == {spec["class"] for spec in SPECS}


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("spec", SPECS, ids=label)
def test_all_end_with_the_same_bits_and_learned(spec: dict[str, Any], dropout: float) -> None:
    def work(link: Link) -> Any:
        unreliable = Unreliable(link, dropout=dropout, seed=3)
        return *learn(spec, unreliable), unreliable.lost

    found = LocalCluster(3).run(work)
    first = found[0][0]
    assert all(bits(net) == bits(first) for net, *_ in found)
    frozen = Net().frozen
    assert torch.equal(first.frozen.weight, frozen.weight) and not torch.equal(first.exit.weight, Net().exit.weight)
    missing = {communicator.traffic.missing for _, communicator, *_ in found}
    assert len(missing) == 1 and (missing == {0}) == (dropout == 0)


@pytest.mark.parametrize("spec", LIKE_ALONE, ids=label)
def test_one_worker_learns_as_if_alone(spec: dict[str, Any]) -> None:
    ((found, _, state),) = LocalCluster(1).run(lambda link: learn(spec, link))
    net = Net()
    optimizer = optimizer_of(net)
    for step in range(11):
        local = step_of(net, optimizer, 0, step)
        local.differentiate()
        local.update()
    torch.testing.assert_close(dict(found.named_parameters()), dict(net.named_parameters()), rtol=0, atol=1e-6)
    for own, expected in zip(state.state.values(), optimizer.state.values(), strict=True):
        assert own["step"] == expected["step"] == 11, "the inner optimiser was begun anew"
        torch.testing.assert_close(own["exp_avg_sq"], expected["exp_avg_sq"], rtol=1e-3, atol=1e-9)


@pytest.mark.parametrize("spec", SPECS, ids=label)
def test_others_weights_are_refused(spec: dict[str, Any]) -> None:
    def spoil(net: Net) -> None:
        with torch.no_grad():
            net.exit.bias += 1e-6

    def work(link: Link) -> Any:
        return learn(spec, link, spoil=spoil if link.number == 1 else lambda net: None)

    with pytest.raises(ValueError, match=r"other weights"):
        LocalCluster(3).run(work)


@pytest.mark.parametrize("spec", SPECS, ids=label)
def test_a_model_without_parameters_to_learn_is_refused(spec: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no parameters that learn"):
        LocalCluster(1).run(lambda link: learn(spec, link, spoil=lambda net: net.requires_grad_(False)))


MISTAKES = [
    ({**FRAGMENTS, "num_fragments": 5}, "num_fragments: expected 1 to period"),
    ({**FRAGMENTS, "delay": 4}, "delay: expected 0 to period - 1"),
    ({**FRAGMENTS, "mix": 1.0}, "mix: "),
    ({**FRAGMENTS, "period": 100, "num_fragments": 30}, "num_fragments: 30 groups"),
    ({**SPECS[1], "period": 0}, "period: "),
    ({**SHARED, "num_samples": 0}, "num_samples, check_every: "),
    ({**SHARED, "perturbation": 0.0}, "learning_rate, perturbation: "),
]


@pytest.mark.parametrize(("spec", "message"), MISTAKES, ids=[message for _, message in MISTAKES])
def test_a_mistake_is_named(spec: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        LocalCluster(1).run(lambda link: learn(spec, link, steps=1))


def test_weights_that_are_not_finite_are_never_sent() -> None:
    def work(link: Link) -> Any:
        net = Net()
        communicator = build(FRAGMENTS, Communicator, link=link)
        communicator.begin(net)
        local = step_of(net, torch.optim.SGD(net.parameters(), lr=float("inf")), 0, 0)
        communicator.step(net, 0, local)
        communicator.step(net, 1, local)

    with pytest.raises(ValueError, match="step 2: weights are not finite"):
        LocalCluster(1).run(work)
