"""Masks and positions that the blocks of a stack take in turn."""

from typing import Any

import pytest
import torch
from torch import Tensor

from tests.laws.parts import DIM, close, factory, layout_of, randomised
from tests.laws.tiny import BUCKETED, CAUSAL, stack_spec
from unimodal.caches.dense import Dense
from unimodal.caches.once import Once
from unimodal.hidden import Hidden
from unimodal.stack import Stack

WINDOW = {"class": "unimodal.masks.window.Window", "width": 2}
ROTARY = "unimodal.positions.rotary.Rotary"


def stack(depth: int, **changes: Any) -> Stack:
    made: Stack = randomised(factory({**stack_spec(), "depth": depth, **changes}, Stack)(DIM))
    return made


def run(made: Stack, x: Tensor, **options: Any) -> Hidden:
    hidden: Hidden = made(x, Once(len(x), x.device).open(layout_of([[x.shape[1]]] * len(x))), {}, **options)
    return hidden


def test_blocks_take_masks_and_positions_in_turn() -> None:
    """Five blocks with two masks and three positions are five stacks of one block."""
    masks, positions = [WINDOW, CAUSAL], [BUCKETED, ROTARY, BUCKETED]
    whole, x = stack(5, mask=masks, position=positions), torch.randn(2, 7, DIM)
    found = run(whole, x)
    state = x
    for block in range(5):
        one = stack(1, mask=masks[block % 2], position=positions[block % 3])
        one.blocks[0].load_state_dict(whole.blocks[block].state_dict())
        one.position.load_state_dict(whole.positions[block % 3].state_dict())
        state = run(one, state).layers[-1]
        close(found.layers[block + 1], state)
    weights = run(whole, x, keep_weights=("self",)).weights["self"]
    assert [bool(one[0, :, 6, 0].any()) for one in weights] == [False, True, False, True, False]  # too far for a window


def test_entry_by_entry_is_one_pass() -> None:
    made, x = stack(4, mask=[WINDOW, CAUSAL], position=[ROTARY, BUCKETED]), torch.randn(2, 6, DIM)
    cache, found = Dense(2, x.device, capacity=2), []
    for entry in range(6):
        at = torch.tensor([[entry]])
        layout = layout_of([[1], [1]], positions=at, index=at, base=torch.full((2,), entry))
        found.append(made(x[:, entry : entry + 1], cache.open(layout), {}).last)
        cache.truncate(torch.full((2,), entry + 1))
    close(torch.cat(found, 1), run(made, x).last)


def test_one_mask_and_a_list_of_one_are_the_same() -> None:
    plain, listed = stack(2), stack(2, mask=[CAUSAL], position=[BUCKETED])
    listed.load_state_dict(plain.state_dict())
    x = torch.randn(1, 5, DIM)
    close(run(listed, x).last, run(plain, x).last, 0)


@pytest.mark.parametrize("name", ["mask", "position"])
def test_a_stack_without_any_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name}: blocks need at least one"):
        stack(1, **{name: []})


@pytest.mark.parametrize("wrapped", [False, True])
def test_what_lies_behind_the_last_learned_position_is_refused(wrapped: bool) -> None:
    position: dict[str, Any] = {"class": "unimodal.positions.learned.Learned", "longest": 64}
    if wrapped:
        dropped = {"class": "unimodal.positions.dropped.Dropped", "position": position, "rate": 0.1}
        position = {"class": "unimodal.positions.both.Both", "first": ROTARY, "second": dropped}
    made = stack(1, position=position)
    made.check_length(torch.tensor([[63]]))
    for far in (64, 1_000_000):
        message = f"longest: the model has 64 learned positions, the input needs {far + 1}"
        with pytest.raises(ValueError, match=message):
            made.check_length(torch.tensor([[0, far]]))
    stack(1, position=ROTARY).check_length(torch.tensor([[1_000_000]]))
