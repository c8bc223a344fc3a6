"""Every plan of the folder: with a cache as without, checkpointed as not."""

from typing import Any

import pytest
import torch

from tests.laws.parts import ARGUMENTS, DIM, HEAD_DIM, close, final_classes, label, layout_of, specs
from tests.laws.tiny import BUCKETED, NUM_TOKENS, POST, PRE, gradients_of, model_of, model_spec, stack
from unimodal.build import build
from unimodal.caches.dense import Dense
from unimodal.caches.once import Once
from unimodal.plans import Plan

FOLDER = "unimodal.plans"
every_plan = pytest.mark.parametrize("spec", specs(FOLDER), ids=label)
ROTARY = "unimodal.positions.rotary.Rotary"
CLIPPED = {"class": "unimodal.positions.clipped.Clipped", "head_dim": HEAD_DIM, "longest": 3}


def test_every_plan_of_the_folder_is_tried_here() -> None:
    assert [name for name in final_classes(FOLDER, Plan) if name not in ARGUMENTS] == []


@every_plan
@torch.no_grad()
def test_cached_is_uncached(spec: Any) -> None:
    planned, x = stack(plan=spec), torch.randn(2, 6, DIM)
    expected = planned(x, Once(2, x.device).open(layout_of([[6], [6]])), {})
    cache, found = Dense(2, x.device, capacity=1), []
    for begin, end in ((0, 3), (3, 4), (4, 6)):
        index = torch.arange(begin, end)[None]
        layout = layout_of([[end - begin]] * 2, positions=index, index=index, base=torch.full((2,), begin))
        found.append(planned(x[:, begin:end], cache.open(layout), {}))
        cache.truncate(torch.full((2,), end))
    close(torch.cat([hidden.last for hidden in found], 1), expected.last)
    for depth, states in enumerate(expected.layers):
        close(torch.cat([hidden.layers[depth] for hidden in found], 1), states)


@every_plan
@pytest.mark.parametrize("dropout", [0.0, 0.3])
@pytest.mark.parametrize("position", [BUCKETED, ROTARY, CLIPPED], ids=label)
@pytest.mark.parametrize("norms", [PRE, POST], ids=["pre", "post"])
def test_gradients_with_checkpointing_are_those_without(spec: Any, dropout: float, position: Any, norms: Any) -> None:
    model = model_of(model_spec("encoder_decoder", plan=spec, dropout=dropout, position=position, norms=norms))
    ids, labels = torch.randint(4, NUM_TOKENS, (2, 6)), torch.randint(4, NUM_TOKENS, (2, 4))
    mask = torch.tensor([[1] * 6, [1] * 4 + [0] * 2])
    losses, gradients, runs, counts = [], [], [], []
    for block in (*model.backbone.encoder.blocks, *model.backbone.decoder.blocks):
        block.register_forward_pre_hook(lambda *_: runs.append(1))
    for checkpointing in (False, True):
        if checkpointing:
            model.activation_checkpointing_enable()
        model.train()
        runs.clear()
        torch.manual_seed(1)
        losses.append(model(input_ids=ids, attention_mask=mask, labels=labels).loss)
        gradients.append(gradients_of(model, losses[-1]))
        counts.append(len(runs))
    assert counts[1] == 2 * counts[0], "a checkpointed block is computed again"
    close(losses[1], losses[0])
    for name, expected in gradients[0].items():
        found = gradients[1][name]
        assert expected is not None and found is not None, name
        close(found, expected)


@torch.no_grad()
def test_repeated_blocks_are_the_stack_run_again() -> None:
    """Without norms around them, three rounds are three passes."""
    x, layout = torch.randn(2, 5, DIM), layout_of([[5], [3]])
    once = stack(norms={**PRE, "final_norm": "unimodal.norms.NoNorm"})
    expected = x
    for _ in range(3):
        expected = once(expected, Once(2, x.device).open(layout), {}).last
    once.plan = build({"class": "unimodal.plans.repeated.Repeated", "times": 3}, Plan)
    found = once(x, Once(2, x.device).open(layout), {})
    close(found.last, expected)
    assert len(found.layers) == 1 + 3 * 2


def test_a_stack_runs_at_least_once() -> None:
    with pytest.raises(ValueError, match="times: "):
        build({"class": "unimodal.plans.repeated.Repeated", "times": 0}, Plan)
