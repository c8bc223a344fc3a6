"""The precision audit names what overflows and what vanishes, and nothing else."""

import pytest
import torch

import unimodal
from tests.laws.tiny import NUM_TOKENS, model_of, model_spec
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.audit import Activation, audit_table

INPUTS = {name: torch.arange(12).reshape(2, 6) % NUM_TOKENS for name in ("input_ids", "decoder_input_ids")}
UP = "backbone.decoder.blocks.1.feedforward.up"


@pytest.fixture
def model() -> UnimodalForConditionalGeneration:
    return model_of(model_spec("encoder_decoder"))


def scaled(model: UnimodalForConditionalGeneration, factor: float) -> UnimodalForConditionalGeneration:
    with torch.no_grad():
        model.get_parameter(f"{UP}.weight").mul_(factor)
        model.get_parameter("backbone.decoder.blocks.1.feedforward.down.weight").div_(factor)
    return model


def at(model: UnimodalForConditionalGeneration, module: str, side: str) -> Activation:
    (found,) = [a for a in unimodal.audit_precision(model, INPUTS) if (a.module, a.side) == (module, side)]
    return found


def test_nothing_overflows_in_a_model_of_ordinary_scale(model: UnimodalForConditionalGeneration) -> None:
    found = unimodal.audit_precision(model, INPUTS)
    assert not any(activation.overflows for activation in found)
    assert [activation.largest for activation in found] == sorted((a.largest for a in found), reverse=True)
    modules = {activation.module for activation in found}
    assert {UP, "embedding", "head", "backbone.encoder.final_norm"} <= modules


def test_the_layer_that_would_overflow_is_named(model: UnimodalForConditionalGeneration) -> None:
    overflowing = [a for a in unimodal.audit_precision(scaled(model, 1e6), INPUTS) if a.overflows]
    assert {(a.module, a.side) for a in overflowing} == {
        (UP, "out"),
        ("backbone.decoder.blocks.1.feedforward.down", "in"),
    }
    wide = unimodal.audit_precision(model, INPUTS, torch.bfloat16)
    assert not any(a.overflows for a in wide)
    table = audit_table(overflowing, rows=1).splitlines()
    assert len(table) == 2 and table[1].endswith(f"{overflowing[0].module} ({overflowing[0].side})")
    assert f"{overflowing[0].share:.2%}" in table[1]


def test_the_numbers_are_those_of_the_pass(model: UnimodalForConditionalGeneration) -> None:
    seen: list[torch.Tensor] = []
    handle = model.get_submodule(UP).register_forward_hook(lambda _, given, out: seen.append(out))
    found = at(model, UP, "out")
    handle.remove()
    assert found.largest == float(seen[0].abs().max()) and found.share == found.largest / 65504
    assert not model.get_submodule(UP)._forward_hooks and not model.training


def test_what_would_vanish_is_counted(model: UnimodalForConditionalGeneration) -> None:
    assert at(model, UP, "out").lost == 0
    assert at(scaled(model, 1e-9), UP, "out").lost > 0.9


def test_a_number_that_is_none_comes_first(model: UnimodalForConditionalGeneration) -> None:
    with torch.no_grad():
        model.get_parameter(f"{UP}.weight")[0] = float("nan")
    first = unimodal.audit_precision(model, INPUTS)[0]
    assert first.overflows and first.largest != first.largest


def test_a_narrow_model_is_refused(model: UnimodalForConditionalGeneration) -> None:
    with pytest.raises(
        ValueError, match="^dtype: a model in torch.float16 does not show what torch.float16 would lose"
    ):
        unimodal.audit_precision(model.half(), INPUTS)
