"""Laws of every rewrite: the same answers, the same state dict, and nothing left to do the second time."""

from copy import deepcopy
from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.laws.parts import ARGUMENTS, close, final_classes
from tests.laws.tiny import ARRANGEMENTS, NUM_TOKENS, POST, PRE, model_of, model_spec
from unimodal.build import build
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import INT8, quantize
from unimodal.quantizations import Quantization
from unimodal.rewrites import Rewrite, rewrite

NAMES = final_classes("unimodal.rewrites", Rewrite)
QUANTIZATIONS = final_classes("unimodal.quantizations", Quantization)
every_rewrite = pytest.mark.parametrize("name", NAMES, ids=lambda name: name.rpartition(".")[2])
every_quantization = pytest.mark.parametrize("quantization", QUANTIZATIONS, ids=lambda name: name.rpartition(".")[2])


def test_every_rewrite_has_its_arguments() -> None:
    assert set(NAMES) == {name for name in ARGUMENTS if name.startswith("unimodal.rewrites.")}


def model(architecture: str = "encoder_decoder", *, pre: bool = True) -> UnimodalForConditionalGeneration:
    return model_of(model_spec(architecture, norms=PRE if pre else POST))


@torch.no_grad()
def logits(model: UnimodalForConditionalGeneration) -> Tensor:
    ids = torch.randint(NUM_TOKENS, (3, 9), generator=torch.Generator().manual_seed(0))
    given = {"input_ids": ids}
    if model.backbone.encoder is not None and model.backbone.decoder is not None:
        given["decoder_input_ids"] = ids[:, :5]
    found: Tensor = model(**given).logits
    return found


@every_rewrite
@pytest.mark.parametrize("pre", [True, False], ids=["pre-norm", "post-norm"])
@pytest.mark.parametrize("architecture", ARRANGEMENTS)
def test_answers_are_the_same(name: str, architecture: str, pre: bool) -> None:
    rewritten = model(architecture, pre=pre)
    expected = logits(rewritten)
    rewrite(rewritten, [name])
    close(logits(rewritten), expected, 1e-5)


@every_rewrite
@every_quantization
@pytest.mark.parametrize("called", [False, True], ids=["fresh", "called"])
def test_it_holds_for_narrow_weights(name: str, quantization: str, called: bool) -> None:
    plain = model()
    quantize(plain, quantization)
    rewritten = deepcopy(plain)
    expected = logits(plain)
    if called:
        logits(rewritten)
    rewrite(rewritten, [name])
    for _ in range(2):
        close(logits(rewritten), expected, 1e-5)


@every_rewrite
@every_quantization
def test_the_state_dict_keeps_its_names(name: str, quantization: str, tmp_path: Path) -> None:
    rewritten = model()
    quantize(rewritten, quantization)
    expected, state = logits(rewritten), deepcopy(rewritten.state_dict())
    rewrite(rewritten, [name])
    logits(rewritten)
    found = rewritten.state_dict()
    assert {key: (tensor.shape, tensor.dtype) for key, tensor in found.items()} == {
        key: (tensor.shape, tensor.dtype) for key, tensor in state.items()
    }
    assert all(torch.equal(tensor, found[key]) for key, tensor in state.items())
    rewritten.save_pretrained(tmp_path)
    again = UnimodalForConditionalGeneration.from_pretrained(tmp_path).eval()
    assert torch.equal(logits(again), expected)
    with torch.no_grad():
        for tensor in rewritten.state_dict().values():
            tensor.zero_()
    rewritten.load_state_dict(state)
    close(logits(rewritten), expected, 1e-5)


@every_rewrite
def test_what_was_rewritten_is_left_alone(name: str) -> None:
    rewritten, made = model(), build(name, Rewrite)
    assert made.apply(rewritten).replaced
    assert not made.apply(rewritten).replaced


@every_rewrite
def test_a_missing_tensor_is_missed(name: str) -> None:
    rewritten = model()
    quantize(rewritten, INT8)
    state = deepcopy(rewritten.state_dict())
    rewrite(rewritten, [name])
    del state["backbone.decoder.blocks.0.mixer.key.scale"]
    with pytest.raises(RuntimeError, match="Missing key"):
        rewritten.load_state_dict(state)
