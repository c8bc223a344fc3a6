"""An example that stands in for a task changes no loss and no gradient, and takes the batch through the task's net."""

import pytest
import torch

from unimodal.batching import EncoderDecoder, Item, Packed, Packer, Padded, Piece, token_piece
from unimodal.config import UnimodalConfig
from unimodal.model import SMALLEST, UnimodalForConditionalGeneration
from unimodal.objectives import total
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.spec import load_spec, merge_specs
from unimodal.training.data.batches import Collation
from unimodal.training.data.bucketings.mixed import Mixed
from unimodal.training.measuring.step_losses import by_task, only_counted


def item(task: str, net: str, length: int) -> Item:
    ids = torch.arange(5, 5 + length)
    arrays = {"ids": ids} | ({"lines": torch.zeros_like(ids)} if net == "code" else {})
    return Item(task, (Piece(net, arrays, length),), token_piece(ids[:3]), ids[1:4])


def collation(model: UnimodalForConditionalGeneration, packer: Packer, *stand_ins: Item) -> Collation:
    arrangement, kinds = EncoderDecoder(), model.kinds
    return Collation(
        Mixed(), packer=packer, arrangement=arrangement, kinds=kinds, entries=64, longest=64, stand_ins=stand_ins
    )


@pytest.mark.parametrize("packer", [Padded(), Packed(source=32, target=16)], ids=["padded", "packed"])
def test_a_stand_in_runs_its_net_and_counts_nowhere(packer: Packer) -> None:
    nets = {"spec": {"prenets": {"code": "unimodal.prenets.code.CodePrenet"}}}
    model = UnimodalForConditionalGeneration(UnimodalConfig(**merge_specs(load_spec(SMALLEST), nets)))
    items = [item("plain", "text", length) for length in (4, 7, 9)]
    losses, gradients = [], []
    for stand_ins in ([], [item("plain", "text", 5), item("code", "code", 6)]):
        batch = collation(model, packer, *stand_ins).batch(items)
        terms = only_counted(CrossEntropy().terms(model, model.run_batch(batch), batch), batch)
        model.zero_grad()
        total(terms).backward()
        losses.append(float(total(terms).detach()))
        gradients.append({name: parameter.grad for name, parameter in model.named_parameters()})
        assert batch.num_entries == 4 + 7 + 9 + 3 * 3
        assert set(by_task(terms, batch.tasks)) == {"plain/cross_entropy"}
    assert batch.tasks == ("plain", "plain", "plain", "code") and batch.num_stand_ins == 1
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    without, with_it = gradients
    reached = [name for name, gradient in with_it.items() if gradient is not None and without[name] is None]
    assert reached and all(name.startswith("prenets.code.") and not with_it[name].any() for name in reached)
    for name, gradient in without.items():
        if gradient is not None:
            torch.testing.assert_close(with_it[name], gradient, atol=1e-6, rtol=1e-4, msg=name)
