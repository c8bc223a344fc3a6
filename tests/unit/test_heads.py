"""Heads that wrap another."""

import pytest
import torch

from tests.laws.parts import close, factory, randomised
from unimodal.heads import Capped, Head


def test_a_capped_head_bends_the_logits_of_another() -> None:
    spec = {"class": "unimodal.heads.Capped", "head": "unimodal.heads.OwnHead", "cap": 2.0}
    made, hidden = randomised(factory(spec, Head)(8, 11)), torch.randn(3, 5, 8) * 3
    plain = made.head(hidden, torch.nn.Identity())
    found = made(hidden, torch.nn.Identity())
    close(found, 2 * (plain / 2).tanh())
    assert plain.abs().max() > 2 > found.abs().max()


def test_a_cap_is_above_zero() -> None:
    with pytest.raises(ValueError, match="cap: logits are capped at a number above 0, not 0"):
        Capped(8, 11, head=lambda dim, tokens: None, cap=0.0)
