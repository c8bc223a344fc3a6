"""Codes in the place of entries: how many, whose, and that nothing else changes."""

import math

import pytest
import torch

from tests.unit.objectives.pretraining import batch_of, items, tiny_model
from unimodal.hidden import Memory
from unimodal.objectives import learn, total
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.objectives.shared_codes import SharedCodes
from unimodal.quantizers.gumbel import Gumbel

TASKS = ("asr", "translate_fr")


def objective_of(share: float) -> SharedCodes:
    torch.manual_seed(2)
    return SharedCodes(CrossEntropy(), 32, quantizer=lambda dim: Gumbel(dim, entries=7), tasks=TASKS, share=share)


def test_at_a_share_of_nothing_nothing_changes() -> None:
    model = tiny_model()
    batch = batch_of(model, items())
    plain = learn(model, CrossEntropy(), batch)["cross_entropy"]
    found = learn(model, objective_of(0.0), batch)
    assert torch.equal(found["cross_entropy"].loss, plain.loss)
    memories = model.run_batch(batch).memories
    assert objective_of(0.0).offer(memories, batch) is memories


@pytest.mark.parametrize("share", [0.1, 0.29, 0.7, 1.0])
@pytest.mark.parametrize("packed", [True, False])
@pytest.mark.parametrize("training", [True, False])
def test_exactly_the_share_of_each_example_becomes_codes(share: float, packed: bool, training: bool) -> None:
    model, objective = tiny_model(), objective_of(share).train(training)
    batch = batch_of(model, items(), packed=packed)
    before = model.run_batch(batch).memories
    after = objective.offer(before, batch)["encoder"]
    changed = (after.hidden != before["encoder"].hidden).any(-1)
    assert not changed[~before["encoder"].mask].any()
    for example, task in enumerate(batch.tasks):
        own = before["encoder"].layout.segments == example
        expected = math.floor(share * int(own.sum())) if task in TASKS else 0
        assert int(changed[own].sum()) == expected
    entries = objective.quantizer.table.weight.detach().unflatten(0, (2, 7))
    for half, group in zip(after.hidden[changed].detach().chunk(2, dim=-1), entries, strict=True):
        assert ((half[:, None] - group).abs().sum(-1) < 1e-4).any(-1).all()


def test_which_entries_change_is_drawn_anew_from_torchs_state() -> None:
    model, objective = tiny_model(), objective_of(0.3).eval()
    batch = batch_of(model, items())
    memories = model.run_batch(batch).memories

    def offered(seed: int) -> Memory:
        torch.manual_seed(seed)
        return objective.offer(memories, batch)["encoder"]

    assert torch.equal(offered(0).hidden, offered(0).hidden) and not torch.equal(offered(0).hidden, offered(1).hidden)


def test_the_encoders_own_losses_and_the_model_have_none_of_it() -> None:
    model, objective = tiny_model().train(), objective_of(0.5).train()
    batch = batch_of(model, items())
    names = set(model.state_dict())
    terms = learn(model, objective, batch)
    term = terms["codes.unevenness"]
    assert term.weight == 0.1 and term.of_batch
    assert term.has_target.tolist() == [task in TASKS for task in batch.tasks]
    losses = term.loss.detach()[term.has_target]
    assert len(losses.unique()) == 1 and 0 < float(losses[0]) < 1
    total(terms).backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in objective.parameters())
    assert set(model.state_dict()) == names and int(objective.quantizer.updates) == 1


def test_a_share_that_is_none_is_refused() -> None:
    with pytest.raises(ValueError, match="^share: "):
        objective_of(1.1)
