"""A tiny random model of transformers and ours agree, and the way back gives the same file."""

import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import unimodal.conversions
from tests.parity.cases import CASES, ParityCase
from unimodal.conversions import Conversion
from unimodal.conversions.t5 import T5
from unimodal.model import UnimodalConfig, UnimodalForConditionalGeneration

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def converted(case: ParityCase, state_dict, config) -> UnimodalForConditionalGeneration:
    model = UnimodalForConditionalGeneration(UnimodalConfig(spec=case.conversion.config(config)))
    missing, unexpected = model.load_state_dict(case.conversion.to_unimodal(state_dict, config), strict=False)
    assert (tuple(missing), unexpected) == (case.conversion.keys(config).fresh, [])
    return model.eval()


def test_every_conversion_of_the_folder_has_a_case() -> None:
    modules = [
        importlib.import_module(m.name)
        for m in pkgutil.iter_modules(unimodal.conversions.__path__, "unimodal.conversions.")
    ]
    found = {
        part
        for module in modules
        for part in vars(module).values()
        if inspect.isclass(part) and issubclass(part, Conversion) and part.__module__ == module.__name__
    }
    assert found == {type(case.conversion) for case in CASES}


@every_case
@torch.no_grad()
def test_states_and_logits_agree(case: ParityCase) -> None:
    theirs, config = case.make()
    model, inputs = converted(case, theirs.state_dict(), config), case.inputs()
    expected, found = case.theirs(theirs, inputs), case.ours(model, inputs)
    assert expected.keys() == found.keys()
    for name, state in expected.items():
        real = inputs["attention_mask" if name.startswith("encoder") else "decoder_attention_mask"].bool()
        distance = (state - found[name])[real].abs().max() / state[real].abs().max().clamp(min=1)
        assert distance <= case.tolerance, f"{name}: {distance:.1e}"


@every_case
def test_the_way_back_is_the_same_file(case: ParityCase, tmp_path: Path) -> None:
    theirs, config = case.make()
    theirs.save_pretrained(tmp_path)
    file = load_file(tmp_path / "model.safetensors")
    model = converted(case, file, config)
    back = case.conversion.from_unimodal(model.state_dict(), config)
    save_file(file, tmp_path / "first.safetensors")
    save_file(back, tmp_path / "second.safetensors")
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


@every_case
def test_every_weight_matters(case: ParityCase) -> None:
    """No tensor of the table is loaded to a place that is not read."""
    theirs, config = case.make()
    model, inputs = converted(case, theirs.state_dict(), config), case.inputs()
    sum(state.square().sum() for state in case.ours(model, inputs).values()).backward()
    fresh = case.conversion.keys(config).fresh
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    # A softmax does not see what all keys share.
    assert [name for name in idle if name not in fresh and not name.endswith("key.bias")] == []


@every_case
def test_a_tensor_that_does_not_fit_is_named(case: ParityCase) -> None:
    theirs, config = case.make()
    state = theirs.state_dict()
    first = min(case.conversion.keys(config).ours)
    with pytest.raises(ValueError, match=f"^{first}: is missing"):
        case.conversion.to_unimodal({name: value for name, value in state.items() if name != first}, config)
    with pytest.raises(ValueError, match="^odd: the model that config.json describes has no such tensor"):
        case.conversion.to_unimodal({**state, "odd": torch.zeros(1)}, config)
    ours = case.conversion.to_unimodal(state, config)
    with pytest.raises(ValueError, match="^odd: "):
        case.conversion.from_unimodal({**ours, "odd": torch.zeros(1)}, config)


def test_a_head_of_its_own_is_never_lost() -> None:
    case = next(case for case in CASES if case.name == "t5_gated_untied")
    theirs, config = case.make()
    assert not torch.equal(theirs.lm_head.weight, theirs.shared.weight)
    model = converted(case, theirs.state_dict(), config)
    assert torch.equal(model.head.project.weight, theirs.lm_head.weight)
    with pytest.raises(ValueError, match="lm_head.weight: differs from shared.weight"):
        T5().to_unimodal(theirs.state_dict(), {**config, "tie_word_embeddings": True})


def test_an_activation_that_ours_lack_is_named() -> None:
    with pytest.raises(ValueError, match="feed_forward_proj: 'gated-tanh'"):
        T5().config(
            {
                "d_model": 8,
                "vocab_size": 8,
                "num_layers": 1,
                "num_heads": 1,
                "d_kv": 4,
                "feed_forward_proj": "gated-tanh",
            }
        )
