"""Laws of every quantization: close to the float model, row by row, and given back by a folder."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.laws.parts import ARGUMENTS, DIM, close, final_classes
from tests.laws.tiny import ARRANGEMENTS, NUM_TOKENS, model_of, model_spec
from unimodal.build import build
from unimodal.decoding.products import Recordable
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import quantize
from unimodal.quantizations import Quantization

NAMES = final_classes("unimodal.quantizations", Quantization)
every_quantization = pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition(".")[2])
every_model = pytest.mark.parametrize("tied", [True, False], ids=["tied", "own head"])


def test_every_quantization_has_its_arguments() -> None:
    assert set(NAMES) == {name for name in ARGUMENTS if name.startswith("unimodal.quantizations.")}


def model(*, tied: bool, architecture: str = "encoder_decoder") -> UnimodalForConditionalGeneration:
    return model_of(model_spec(architecture, tied=tied))


def ids(rows: int, time: int) -> Tensor:
    return torch.randint(NUM_TOKENS, (rows, time), generator=torch.Generator().manual_seed(rows * time))


@torch.no_grad()
def logits(model: UnimodalForConditionalGeneration, rows: slice = slice(None)) -> Tensor:
    given = {"input_ids": ids(3, 9)[rows]}
    if model.backbone.encoder is not None and model.backbone.decoder is not None:
        given["decoder_input_ids"] = ids(3, 5)[rows]
    found: Tensor = model(**given).logits
    return found


@every_quantization
@pytest.mark.parametrize("architecture", ARRANGEMENTS)
def test_scores_stay_close(name: str, architecture: str) -> None:
    """Rounding to eight bits leaves two digits; a wrong scale, a lost bias or a forgotten map leaves none."""
    tolerance = build(name, Quantization).tolerance
    assert tolerance < 0.5
    quantized = model(tied=True, architecture=architecture)
    expected = logits(quantized)
    quantize(quantized, name)
    distance = (logits(quantized) - expected).norm() / expected.norm()
    assert distance <= tolerance
    assert quantized.config.quantization == name


@every_quantization
@every_model
def test_a_row_is_answered_as_alone(name: str, tied: bool) -> None:
    quantized = model(tied=tied)
    quantize(quantized, name)
    together = logits(quantized)
    for row in range(3):
        close(logits(quantized, slice(row, row + 1)), together[row : row + 1], 1e-5)


@every_quantization
@every_model
def test_a_folder_gives_it_back(name: str, tied: bool, tmp_path: Path) -> None:
    quantized = model(tied=tied)
    quantize(quantized, name)
    expected = logits(quantized)
    quantized.save_pretrained(tmp_path)
    again = UnimodalForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(again), expected)
    assert torch.equal(logits(quantized), expected), "saving changes nothing"
    assert again.config.quantization == name


@every_quantization
@every_model
def test_a_state_dict_gives_it_back_before_and_after_a_call(name: str, tied: bool) -> None:
    first, second = model(tied=tied), model(tied=tied)
    for quantized in (first, second):
        quantize(quantized, name)
    with torch.no_grad():
        for tensor in second.state_dict().values():
            tensor.zero_()
    fresh = deepcopy(first.state_dict())
    expected = logits(first)
    called = first.state_dict()
    assert fresh.keys() == called.keys()
    assert all(torch.equal(tensor, called[key]) for key, tensor in fresh.items())
    logits(second)
    second.load_state_dict(fresh)
    assert torch.equal(logits(second), expected)


@every_quantization
def test_it_is_built_where_no_tensor_takes_room(name: str) -> None:
    with torch.device("meta"):
        empty = model(tied=True)
        quantize(empty, name)
    filled = model(tied=True)
    quantize(filled, name)
    shapes = {key: (tensor.shape, tensor.dtype) for key, tensor in filled.state_dict().items()}
    assert {key: (tensor.shape, tensor.dtype) for key, tensor in empty.state_dict().items()} == shapes
    assert all(tensor.is_meta for tensor in empty.state_dict().values())


@every_quantization
@every_model
@pytest.mark.parametrize(("rows", "tolerance"), [(3, 1e-5), (1, 1e-3)], ids=["several rows", "one row"])
@torch.no_grad()
def test_what_is_exported_gives_the_same(name: str, tied: bool, rows: int, tolerance: float) -> None:
    """On other inputs than it was traced on, from the same weights. Of one row nothing is rounded."""
    quantized = model(tied=tied)
    quantize(quantized, name)
    block = Scored(quantized)
    first, second = torch.randn(rows, 1, DIM), torch.randn(rows, 1, DIM)
    expected = block(second)
    before = quantized.state_dict()
    recordable = [module for module in quantized.modules() if isinstance(module, Recordable)]
    try:
        for module in recordable:
            module.prepare_recording()
    except ValueError as error:
        assert "cannot be compiled" in str(error)
        return
    exported = torch.export.export(block, (first,), strict=False).module()
    close(exported(second), expected, tolerance)
    after = quantized.state_dict()
    assert all(torch.equal(tensor, after[key]) for key, tensor in before.items())
    assert torch.equal(block(second), expected), "nothing has changed for who goes on without"


class Scored(torch.nn.Module):
    """A feed-forward and the head, which are all kinds of maps."""

    def __init__(self, model: UnimodalForConditionalGeneration) -> None:
        super().__init__()
        assert model.backbone.decoder is not None
        self.model = model

    def forward(self, x: Tensor) -> Tensor:
        return self.model.logits(self.model.backbone.decoder.blocks[0].feedforward(x))
