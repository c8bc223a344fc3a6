"""Optimisers: which parameters they take how, and that a run resumed from their state goes on as if never stopped."""

import copy

import pytest
import torch
from torch import nn

from unimodal.training.optimizer import AdamW, Muon, OptimizerFactory


def module() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Embedding(7, 4), nn.Linear(4, 6), nn.LayerNorm(6), nn.Conv1d(3, 2, 3))


def step(learner: nn.Module, optimizer: torch.optim.Optimizer, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    for parameter in learner.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)
    optimizer.step()


@pytest.mark.parametrize("factory", [AdamW(learning_rate=0.01), Muon(learning_rate=0.01, ratio=2.0)])
def test_a_resumed_optimizer_goes_on_as_if_never_stopped(factory: OptimizerFactory) -> None:
    whole = module()
    optimizer = factory.make(whole)
    for seed in range(3):
        step(whole, optimizer, seed)
    stopped, state = copy.deepcopy(whole), copy.deepcopy(optimizer.state_dict())
    resumed = factory.make(stopped)
    resumed.load_state_dict(state)
    for seed in range(3, 6):
        step(whole, optimizer, seed)
        step(stopped, resumed, seed)
    for one, other in zip(whole.parameters(), stopped.parameters(), strict=True):
        assert torch.equal(one, other)


def test_muon_moves_matrices_orthogonally_and_leaves_the_rest_to_adamw() -> None:
    learner = module()
    before = learner[1].weight.detach().clone()
    optimizer = Muon(learning_rate=0.01, ratio=2.0, weight_decay=0.0).make(learner)
    step(learner, optimizer, 0)
    moved = (learner[1].weight.detach() - before) / 0.02
    singular = torch.linalg.svdvals(moved)
    assert singular.max() / singular.min() < 2  # the gradient's own ratio is far above
    assert len(optimizer.state) == len(list(learner.parameters()))


@pytest.mark.parametrize("factory", [AdamW(learning_rate=0.01), Muon(learning_rate=0.01, ratio=2.0)])
def test_a_schedule_reaches_every_group(factory: OptimizerFactory) -> None:
    learner = module()
    optimizer = factory.make(learner)
    rates = [group["lr"] for group in optimizer.param_groups]
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda number: 0.0)
    before = [parameter.detach().clone() for parameter in learner.parameters()]
    step(learner, optimizer, 0)
    scheduler.step()
    assert rates and [group["lr"] for group in optimizer.param_groups] == [0.0] * len(rates)
    assert all(torch.equal(old, new) for old, new in zip(before, learner.parameters(), strict=True))


@pytest.mark.parametrize("make", [lambda: AdamW(learning_rate=0.0), lambda: Muon(learning_rate=-1.0)])
def test_a_rate_that_cannot_be_is_refused(make) -> None:
    with pytest.raises(ValueError, match="learning_rate"):
        make()
