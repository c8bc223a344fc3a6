"""Eight bits: exact integers, outliers, rows of zeros, and the bytes of a T5-small."""

import pytest
import torch
from torch import Tensor, nn
from transformers import T5Config

from unimodal.config import UnimodalConfig
from unimodal.conversions.t5 import T5
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import INT8
from unimodal.quantizations.int8 import LARGEST, Int8, Int8Linear, Int8Table, quantize_rows
from unimodal.tables import TokenTable

shapes = pytest.mark.parametrize("shape", [(1, 64, 32), (8, 64, 32), (3, 513, 5), (2, 2048, 16)], ids=str)


def linear(inputs: int, outputs: int, *, bias: bool = True) -> tuple[nn.Linear, Int8Linear]:
    plain = nn.Linear(inputs, outputs, bias=bias)
    made = Int8().linear(plain)
    assert isinstance(made, Int8Linear)
    return plain, made


def rounded(weight: Tensor) -> Tensor:
    integers, scale = quantize_rows(weight)
    return integers * scale


@shapes
@pytest.mark.parametrize("bias", [True, False])
@torch.no_grad()
def test_all_that_is_lost_is_the_rounding_of_the_weights(shape: tuple[int, int, int], bias: bool) -> None:
    """What 254 steps leave of a token's 127, outliers included: less than a thousandth."""
    rows, inputs, outputs = shape
    plain, made = linear(inputs, outputs, bias=bias)
    x = torch.randn(rows, 2, inputs)
    x[0, 0, 0] = 50.0  # an outlier, as trained models have them, takes the range of its token
    expected = nn.functional.linear(x, rounded(plain.weight), plain.bias)
    assert (made(x) - expected).norm() < 1e-3 * expected.norm()
    assert 1e-3 * expected.norm() < (made(x) - plain(x)).norm() < 3e-2 * expected.norm()


@torch.no_grad()
def test_the_longest_sums_do_not_saturate() -> None:
    """Products of the largest integers, all of one sign: kernels that add pairs in 16 bits fail here."""
    plain, made = linear(4096, 3, bias=False)
    plain.weight.fill_(1.0)
    made = Int8().linear(plain)
    table = Int8(packed=0.7).table(_table(plain.weight))  # two rows of the three
    for sign in (1.0, -1.0):
        x = torch.full((5, 4096), sign)
        torch.testing.assert_close(made(x), torch.full((5, 3), sign * 4096))
        torch.testing.assert_close(table.score(x), torch.full((5, 3), sign * 4096))


@torch.no_grad()
def test_rows_of_zeros_give_the_bias() -> None:
    plain, made = linear(16, 8)
    x = torch.randn(4, 16)
    x[1] = 0
    assert torch.equal(made(x)[1], plain.bias)
    _, without = linear(16, 8, bias=False)
    assert torch.equal(without(x)[1], torch.zeros(8))
    table = Int8().table(_table(plain.weight))
    assert torch.equal(table.score(x)[1], torch.zeros(8))
    assert torch.equal(table.score(x, plain.bias)[1], plain.bias)
    with pytest.raises(ValueError, match="^packed: expected a share of the rows from 0 to 1, got 1.5$"):
        Int8(packed=1.5)


@torch.no_grad()
def test_what_is_not_finite_stays_so() -> None:
    _, made = linear(16, 8)
    for value in (float("nan"), float("inf")):
        x = torch.randn(2, 16)
        x[0, 3] = value
        assert not made(x)[0].isfinite().any() and made(x)[1].isfinite().all()


@torch.no_grad()
def test_a_tensor_that_was_split_is_not_mistaken_for_another() -> None:
    """Query, key and value read one tensor, whose planes are kept; the next tensor has its own."""
    quantization = Int8()
    first, second = (quantization.linear(nn.Linear(16, 4, bias=False)) for _ in range(2))
    x, y = torch.randn(2, 16), torch.randn(2, 16)
    alone = [Int8().linear(_plain(first))(x), Int8().linear(_plain(second))(x), Int8().linear(_plain(second))(y)]
    for found, expected in zip([first(x), second(x), second(y)], alone, strict=True):
        assert torch.equal(found, expected)


def _plain(made: nn.Module) -> nn.Linear:
    state = made.state_dict()
    plain = nn.Linear(state["weight"].shape[1], state["weight"].shape[0], bias=False)
    plain.weight = nn.Parameter(state["weight"] * state["scale"][:, None])
    return plain


def _table(weight: Tensor) -> TokenTable:
    table = TokenTable(*weight.shape)
    table.weight = nn.Parameter(weight.detach().clone())
    return table


@pytest.mark.parametrize("packed", [0.0, 0.4, 1.0])
@torch.no_grad()
def test_a_table_is_looked_up_and_read_backwards(packed: float) -> None:
    plain = _table(torch.randn(40, 24) * torch.logspace(-3, 3, 40)[:, None])  # rows of very different scales
    table = Int8(packed=packed).table(plain)
    assert isinstance(table, Int8Table)
    ids = torch.tensor([[0, 39], [7, 7]])
    torch.testing.assert_close(table(ids), rounded(plain.weight)[ids])
    step = plain.weight.abs().amax(1, keepdim=True) / LARGEST
    assert ((table.weight * table.scale - plain.weight).abs() <= step / 2 * 1.001).all()
    hidden = torch.randn(2, 3, 24)
    expected = nn.functional.linear(hidden, rounded(plain.weight))
    size = expected.abs().mean((0, 1))
    assert ((table.score(hidden) - expected).abs() < 1e-3 * size).all()
    assert ((table.score(hidden[0, :1]) - expected[0, :1]).abs() < 1e-3 * size).all()
    bias = torch.randn(40)
    assert ((table.score(hidden, bias) - expected - bias).abs() < 1e-3 * size + 1e-6).all()
    assert {name: tensor.dtype for name, tensor in table.state_dict().items()} == {
        "weight": torch.int8,
        "scale": torch.float32,
    }


def test_a_t5_small_takes_less_than_three_tenths_of_its_bytes() -> None:
    spec = T5().config(T5Config().to_dict())
    with torch.device("meta"):
        plain, quantized = (
            UnimodalForConditionalGeneration(UnimodalConfig(spec=spec, **named))
            for named in ({}, {"quantization": INT8})
        )
    assert 240e6 < nbytes(plain) < 245e6
    assert nbytes(quantized) < 0.26 * nbytes(plain)
    assert isinstance(quantized.embedding, Int8Table)
    assert nbytes(quantized) + quantized.embedding.num_packed * 512 < 0.295 * nbytes(plain)


def nbytes(model: nn.Module) -> int:
    return sum(tensor.nbytes for tensor in model.state_dict().values())


def test_other_processors_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unimodal.quantizations.int8.ENGINES", ())
    with pytest.raises(ValueError, match="^int8: needs an x86 processor; torch's engine here is x86$"):
        Int8()
