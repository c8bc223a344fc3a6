"""Numbers as bytes: sizes, signs, zeros, and the error that each format states."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.laws.parts import final_classes
from unimodal.build import build
from unimodal.wire_formats import WireFormat, num_packed_bytes, pack, unpack

# Largest relative error, and the range of magnitudes, as shares of the largest number, in which it holds.
STATED = {
    "unimodal.wire_formats.bfloat16.BFloat16": (0.004, 0.0),
    "unimodal.wire_formats.float32.Float32": (0.0, 0.0),
    "unimodal.wire_formats.signed_logarithm.SignedLogarithm": (0.065, 4e-4),
    "unimodal.wire_formats.three_bit_exponent.ThreeBitExponent": (2**0.5 - 1 + 1e-5, 2**-6.49),
}
FORMATS = {name.rpartition(".")[2]: name for name in STATED}


def format_of(name: str) -> WireFormat:
    made: WireFormat = build(FORMATS[name], WireFormat)
    return made


def through(wire_format: WireFormat, numbers: torch.Tensor) -> torch.Tensor:
    return wire_format.decode(wire_format.encode(numbers), len(numbers))


def test_every_format_states_its_error_here() -> None:
    assert final_classes("unimodal.wire_formats", WireFormat) == sorted(STATED)


@pytest.mark.parametrize("name", FORMATS)
@settings(max_examples=40, deadline=None)
@given(numbers=st.lists(st.floats(-1, 1, width=32), max_size=33))
def test_sizes_signs_and_errors(name: str, numbers: list[float]) -> None:
    wire_format, given_ = format_of(name), torch.tensor(numbers, dtype=torch.float32)
    payload = wire_format.encode(given_)
    assert payload.dtype is torch.uint8 and len(payload) == wire_format.num_bytes(len(given_))
    found = wire_format.decode(payload, len(given_))
    assert found.dtype is torch.float32 and found.shape == given_.shape
    assert torch.equal(through(wire_format, found), found), "read again, it is something else"
    assert (found[given_ == 0] == 0).all() and (found * given_ >= 0).all()
    error, smallest = STATED[FORMATS[name]]
    inside = given_.abs() > smallest * (given_.abs().max() if "Exponent" in name else 1) if numbers else given_ > 0
    inside &= given_.abs() > 1e-30  # the scale of a tensor of nothing but denormal numbers is lost
    assert ((found - given_).abs()[inside] <= (error + 1e-6) * given_.abs()[inside]).all() or error == 0
    assert error > 0 or torch.equal(found, given_)


@pytest.mark.parametrize("name", FORMATS)
def test_messages_hold_tensors_of_any_shape(name: str) -> None:
    wire_format = format_of(name)
    tensors = [torch.randn(3, 5), torch.randn(7), torch.randn(2, 1, 2) * 100, torch.zeros(3)]
    message = pack(tensors, wire_format)
    assert len(message) == num_packed_bytes(tensors, wire_format)
    for found, tensor in zip(unpack(message, tensors, wire_format), tensors, strict=True):
        assert torch.equal(found, through(wire_format, tensor.flatten()).view(tensor.shape))
    with pytest.raises(ValueError, match="bytes where"):
        unpack(message[:-1], tensors, wire_format)


def test_four_bits_of_normal_numbers_are_as_good_as_computed() -> None:
    """20 % root mean square error and a cosine of 0.98: an independent figure for this rounding."""
    numbers = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    found = through(format_of("ThreeBitExponent"), numbers)
    assert 0.18 < float((found - numbers).norm() / numbers.norm()) < 0.22
    assert float(torch.cosine_similarity(found, numbers, 0)) > 0.975


def test_a_byte_ends_where_it_says() -> None:
    wire_format = format_of("SignedLogarithm")
    found = through(wire_format, torch.tensor([1e9, -1e9, 1e-9, -1e-9, float("nan"), float("inf"), 1.0]))
    assert found[0] == -found[1] == pytest.approx(math.exp(63 / 8))
    assert found[2] == -found[3] == pytest.approx(math.exp(-63 / 8))
    assert found[4:].tolist() == [0, 0, 1]
