"""Every discriminator: rows are judged one by one, the last map is a score, every weight learns."""

import pytest
import torch

from tests.laws.parts import final_classes
from unimodal.prenets.discriminators import Discriminator
from unimodal.prenets.discriminators.periods import Periods
from unimodal.prenets.discriminators.scales import Scales

TRIED = [
    (Periods, {"period": 3, "width": 2}),
    (Periods, {"period": 1, "width": 2}),
    (Scales, {"halvings": 2, "width": 16}),
]


def test_every_discriminator_is_tried():
    found = set(final_classes("unimodal.prenets.discriminators", Discriminator))
    assert found == {f"{one.__module__}.{one.__qualname__}" for one, _ in TRIED}


@pytest.mark.parametrize(("make", "sizes"), TRIED, ids=str)
def test_rows_are_judged_one_by_one_and_every_weight_learns(make, sizes):
    torch.manual_seed(0)
    discriminator, sound = make(**sizes).double(), torch.randn(3, 1003, dtype=torch.double)
    heard = discriminator(sound)
    assert heard[-1].shape[1] == 1 and len(heard) == len(discriminator.layers) + 1
    for row in range(3):
        for whole, alone in zip(heard, discriminator(sound[row : row + 1]), strict=True):
            torch.testing.assert_close(whole[row], alone[0])
    heard[-1].square().mean().backward()
    assert all(weight.grad is not None and weight.grad.any() for weight in discriminator.parameters())


@pytest.mark.parametrize(
    ("make", "sizes", "message"), [(Periods, {"period": 0}, "period: "), (Scales, {"width": 24}, "width: ")]
)
def test_sizes_that_do_not_fit_are_named(make, sizes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        make(**sizes)
