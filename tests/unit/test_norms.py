"""What norms and residuals compute, and in which type."""

import torch
from torch.nn import functional

from tests.laws.parts import close, randomised
from unimodal.norms import RMSNorm, RootScaled
from unimodal.residuals import Sandwich

DIM = 768


def test_the_root_of_the_width_is_rounded_to_the_entries_type() -> None:
    x = torch.randn(2, 3, DIM)
    assert torch.equal(RootScaled(DIM)(x), x * torch.tensor(DIM**0.5))
    narrow = x.bfloat16()
    assert torch.equal(RootScaled(DIM)(narrow), (narrow.double() * 27.75).bfloat16())  # not 27.7128


def test_an_offset_is_added_in_thirty_two_bits() -> None:
    """In bfloat16, 1 + 0.002 is 1."""
    norm, x = RMSNorm(DIM, offset=1.0).bfloat16(), torch.randn(2, DIM).bfloat16()
    norm.weight.data.uniform_(0.001, 0.003)
    expected = functional.rms_norm(x.float(), (DIM,), 1 + norm.weight.float(), 1e-6)
    assert torch.equal(norm(x), expected.bfloat16())
    assert not torch.equal(norm(x), functional.rms_norm(x.float(), (DIM,), None, 1e-6).bfloat16())


def test_a_sandwich_has_a_norm_on_either_side_of_its_sublayer() -> None:
    made, x = randomised(Sandwich(DIM, norm=RMSNorm)), torch.randn(2, 3, DIM)
    inner = functional.rms_norm(x, (DIM,), made.before.weight, 1e-6) ** 3
    close(made(x, lambda normed: normed**3), x + functional.rms_norm(inner, (DIM,), made.after.weight, 1e-6))
