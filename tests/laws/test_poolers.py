"""One vector for a row: every pooler reads real entries alone."""

import inspect

import pytest
import torch

from tests.laws.parts import factory, layout_of, randomised
from unimodal import poolers
from unimodal.poolers import Pooler

DIM = 6
ARGUMENTS = {"First": {}, "FirstMapped": {"activation": "unimodal.activations.Tanh", "width": 4}}


def test_every_pooler_stands_in_this_test() -> None:
    found = {
        name
        for name, part in vars(poolers).items()
        if inspect.isclass(part) and issubclass(part, Pooler) and not inspect.isabstract(part)
    }
    assert found == set(ARGUMENTS)


@pytest.mark.parametrize("name", ARGUMENTS)
def test_what_stands_on_padding_changes_nothing(name: str) -> None:
    pooler = randomised(factory({"class": f"unimodal.poolers.{name}", **ARGUMENTS[name]}, Pooler)(DIM))
    layout, hidden = layout_of([[5], [2], [1]]), torch.randn(3, 5, DIM)
    found = pooler(hidden, layout)
    assert found.shape == (3, ARGUMENTS[name].get("width", DIM))
    changed = torch.where(layout.valid[..., None], hidden, torch.randn_like(hidden))
    torch.testing.assert_close(pooler(changed, layout), found)
    assert not torch.allclose(pooler(hidden + 1, layout), found)
    alone = pooler(hidden[1:2, :2], layout_of([[2]]))
    torch.testing.assert_close(alone[0], found[1])
