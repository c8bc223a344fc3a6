"""Four bits: the nearest sixteen values of a group, any width, and the bytes of a T5-small."""

import pytest
import torch
from torch import Tensor, nn
from transformers import T5Config

from tests.unit.quantizations.test_int8 import nbytes
from unimodal.config import UnimodalConfig
from unimodal.conversions.t5 import T5
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import INT4
from unimodal.quantizations.int4 import Int4, Int4Linear, quantize_groups


def rounded(weight: Tensor, group: int) -> Tensor:
    integers, scale = quantize_groups(weight, group)
    values = (integers.unflatten(1, (-1, group)).float() - 8) * scale[..., :1].float() + scale[..., 1:].float()
    return values.flatten(1)[:, : weight.shape[1]]


def linear(inputs: int, outputs: int, *, bias: bool = True, group: int = 32) -> tuple[nn.Linear, Int4Linear]:
    plain = nn.Linear(inputs, outputs, bias=bias)
    made = Int4(group=group).linear(plain)
    assert isinstance(made, Int4Linear)
    return plain, made


@pytest.mark.parametrize("shape", [(1, 64, 64), (9, 192, 80), (3, 70, 5), (2, 31, 16)], ids=str)
@pytest.mark.parametrize("group", [32, 64])
@torch.no_grad()
def test_a_map_multiplies_by_the_rounded_weights(shape: tuple[int, int, int], group: int) -> None:
    rows, inputs, outputs = shape
    plain, made = linear(inputs, outputs, bias=group == 32, group=group)
    x = torch.randn(rows, 2, inputs)
    expected = nn.functional.linear(x, rounded(plain.weight, group), plain.bias)
    found = made(x)
    assert found.shape == expected.shape and found.dtype == x.dtype
    assert (found - expected).norm() < 6e-3 * expected.norm(), "bfloat16 leaves eight bits of a product"
    assert 0.02 * expected.norm() < (found - plain(x)).norm() < 0.2 * expected.norm()


@torch.no_grad()
def test_groups_have_the_steps_that_they_need() -> None:
    """No value is further from its weight than half a step; a large weight coarsens its own group alone."""
    weight = torch.randn(8, 128)
    weight[:, 3] = 50.0
    integers, scale = quantize_groups(weight, 32)
    assert integers.dtype == torch.uint8 and int(integers.max()) == 15
    step = scale[..., 0].float().repeat_interleave(32, 1)
    assert ((rounded(weight, 32) - weight).abs() <= 0.55 * step + 0.004 * weight.abs()).all()
    assert (step[:, 0] > 5 * step[:, 32:].amax(1)).all()


def test_the_same_weights_everywhere_are_kept() -> None:
    weight = torch.full((4, 32), 0.3)
    torch.testing.assert_close(rounded(weight, 32), weight, rtol=4e-3, atol=0)
    assert not rounded(torch.zeros(4, 32), 32).any()


@torch.no_grad()
def test_its_state_is_the_same_before_and_after_a_call() -> None:
    _, made = linear(70, 21)
    before = {name: tensor.clone() for name, tensor in made.state_dict().items()}
    x = torch.randn(2, 70)
    expected = made(x)
    assert made.weight is None, "held once"
    after = made.state_dict()
    assert before.keys() == after.keys() and all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert torch.equal(made(x), expected)


def test_a_t5_small_takes_less_than_a_fifth_of_its_bytes() -> None:
    spec = T5().config(T5Config().to_dict())
    with torch.device("meta"):
        plain, quantized = (
            UnimodalForConditionalGeneration(UnimodalConfig(spec=spec, **named))
            for named in ({}, {"quantization": INT4})
        )
    assert nbytes(quantized) < 0.19 * nbytes(plain)


def test_a_group_that_no_kernel_has_is_named() -> None:
    with pytest.raises(ValueError, match="^group: expected one of 32, 64, 128, 256, got 16$"):
        Int4(group=16)
