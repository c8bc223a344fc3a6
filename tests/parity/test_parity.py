"""A tiny random model of transformers and ours agree, and the way back gives the same file."""

import importlib
import inspect
import json
import pkgutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import unimodal
import unimodal.conversions
from tests.parity.case import ParityCase, distance, saved_states
from tests.parity.cases import CASES
from unimodal.config import UnimodalConfig
from unimodal.conversions import Conversion
from unimodal.conversions.checkpoint import leave_out
from unimodal.conversions.families import conversion_of
from unimodal.loading.vocoding import UnimodalVocoder
from unimodal.model import UnimodalForConditionalGeneration

every_case = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
writing = pytest.mark.parametrize("case", [case for case in CASES if case.prompts], ids=lambda case: case.name)
LENGTH = 24
"""Tokens that are generated at most."""


def converted(state_dict, config) -> UnimodalForConditionalGeneration | UnimodalVocoder:
    conversion = conversion_of(config)
    spec = conversion.config(config)
    for path in conversion.keys(config).lacking(state_dict):
        leave_out(spec, path)
    make = UnimodalVocoder if "class" in spec else UnimodalForConditionalGeneration
    model = make(UnimodalConfig(spec=spec))
    missing, unexpected = model.load_state_dict(conversion.to_unimodal(state_dict, config), strict=False)
    assert (sorted(missing), unexpected) == (sorted(conversion.keys(config).absent), [])
    for name in missing:
        torch.nn.init.zeros_(model.get_parameter(name))
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
        if inspect.isclass(part) and issubclass(part, Conversion) and not inspect.isabstract(part)
    }
    assert found == {type(conversion_of(case.make()[1])) for case in CASES}


@every_case
@torch.no_grad()
def test_states_and_logits_agree(case: ParityCase) -> None:
    theirs, config = case.make()
    model, inputs = converted(saved_states(theirs), config), case.inputs()
    agree(case, case.theirs(theirs, inputs), case.ours(model, inputs), inputs)


def agree(case: ParityCase, expected, found, inputs) -> None:
    assert expected.keys() == found.keys()
    for name, state in expected.items():
        measured = distance(name, state, found[name], inputs)
        assert measured <= case.tolerance, f"{name}: {measured:.1e}"


@every_case
@torch.no_grad()
def test_a_folder_loads_and_goes_back(case: ParityCase, tmp_path: Path) -> None:
    theirs = case.save(tmp_path / "theirs")
    loaded, inputs = unimodal.load(tmp_path / "theirs"), case.inputs()
    agree(case, case.theirs(theirs, inputs), case.ours(loaded.model, inputs), inputs)
    loaded.save_pretrained(tmp_path / "ours")
    unimodal.load(tmp_path / "ours").save_original(tmp_path / "back")
    first, second = (json.loads((tmp_path / name / "config.json").read_text()) for name in ("theirs", "back"))
    assert {name: value for name, value in second.items() if name in first and name != "dtype"} == {
        name: value for name, value in first.items() if name != "dtype"
    }
    files = [load_file(tmp_path / name / "model.safetensors") for name in ("theirs", "back")]
    ignored = conversion_of(first).keys(first).ignored
    assert files[0].keys() - set(ignored) == files[1].keys()
    assert all(torch.equal(tensor, files[0][name]) for name, tensor in files[1].items())
    read, report = type(theirs).from_pretrained(tmp_path / "back", output_loading_info=True)
    assert not report["unexpected_keys"] and not report["mismatched_keys"]
    if first.get("tie_word_embeddings", True) or not first["model_type"].endswith("t5"):  # transformers ties every T5
        kept = {name: tensor for name, tensor in theirs.state_dict().items() if name not in ignored}
        assert all(torch.equal(tensor, read.state_dict()[name]) for name, tensor in kept.items())


@writing
@torch.no_grad()
def test_the_same_ids_are_generated(case: ParityCase, tmp_path: Path) -> None:
    theirs = case.save(tmp_path)
    ours, prompts = unimodal.load(tmp_path), case.prompts()
    for decoding in case.decodings:
        options = {"max_new_tokens": LENGTH, **decoding}
        expected, found = theirs.generate(**prompts, **options), ours.generate(**prompts, **options)
        assert found.tolist() == expected.tolist(), f"{dict(decoding)}"


@every_case
def test_the_way_back_is_the_same_file(case: ParityCase, tmp_path: Path) -> None:
    theirs, config = case.make()
    theirs.save_pretrained(tmp_path)
    conversion, file = conversion_of(config), load_file(tmp_path / "model.safetensors")
    back = conversion.from_unimodal(converted(file, config).state_dict(), config)
    kept = {name: tensor for name, tensor in file.items() if name not in conversion.keys(config).ignored}
    save_file(kept, tmp_path / "first.safetensors")
    save_file(back, tmp_path / "second.safetensors")
    assert (tmp_path / "first.safetensors").read_bytes() == (tmp_path / "second.safetensors").read_bytes()


@every_case
def test_every_weight_matters(case: ParityCase) -> None:
    """No tensor of the table is loaded to a place that is not read."""
    theirs, config = case.make()
    model, inputs = converted(saved_states(theirs), config), case.inputs()
    sum(state.square().sum() for state in case.ours(model, inputs).values()).backward()
    absent = conversion_of(config).keys(config).absent
    idle = [name for name, weight in model.named_parameters() if weight.grad is None or not weight.grad.any()]
    # A softmax does not see what all keys share.
    assert [name for name in idle if name not in (*absent, *case.idle) and not name.endswith("key.bias")] == []


@every_case
def test_a_tensor_that_does_not_fit_is_named(case: ParityCase) -> None:
    theirs, config = case.make()
    conversion, state = conversion_of(config), saved_states(theirs)
    keys = conversion.keys(config)
    optional = {name for names in keys.parts.values() for name in names}
    replaced = {*keys.copies.values(), *keys.stand_ins}  # another name may stand for these
    first = min(keys.ours.keys() - optional - replaced)
    with pytest.raises(ValueError, match=f"^{first}: is missing"):
        conversion.to_unimodal({name: value for name, value in state.items() if name != first}, config)
    with pytest.raises(ValueError, match="^odd: the model that config.json describes has no such tensor"):
        conversion.to_unimodal({**state, "odd": torch.zeros(1)}, config)
    ours = conversion.to_unimodal(state, config)
    with pytest.raises(ValueError, match="^odd: "):
        conversion.from_unimodal({**ours, "odd": torch.zeros(1)}, config)
