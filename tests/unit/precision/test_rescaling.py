"""float16 of a T5 whose activations it has no numbers for: finite and right here, wrong or infinite in transformers."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import T5Config, T5ForConditionalGeneration

from unimodal.loading.foreign import Checkpoint
from unimodal.loading.hub import load
from unimodal.precision.audit import audit_precision
from unimodal.precision.rescaling import is_rescalable, probe, rescale

INPUTS = {
    "input_ids": torch.randint(2, 61, (3, 20), generator=torch.Generator().manual_seed(1)),
    "decoder_input_ids": torch.randint(2, 61, (3, 9), generator=torch.Generator().manual_seed(2)),
}
KINDS = {"relu tied": ("relu", True), "gated tied": ("gated-gelu", True), "gated untied": ("gated-gelu", False)}
# How many times as large as in training: what sublayers add to the stream, and what they compute inside.
SCALES = {"as trained": (1.0, 1.0), "stream": (1e4, 1.0), "inside": (1.0, 1e5), "both": (1e3, 1e4)}
every_kind = pytest.mark.parametrize("kind", KINDS)
every_scale = pytest.mark.parametrize("scale", [name for name in SCALES if name != "as trained"])


def theirs(kind: str, scale: str, folder: Path) -> T5ForConditionalGeneration:
    """Saved in `folder`, in float32."""
    projection, tied = KINDS[kind]
    added, inside = SCALES[scale]
    config = T5Config(
        vocab_size=61,
        d_model=32,
        d_kv=8,
        d_ff=64,
        num_heads=4,
        num_layers=3,
        num_decoder_layers=2,
        feed_forward_proj=projection,
        dropout_rate=0.0,
        decoder_start_token_id=0,
    )
    model = T5ForConditionalGeneration(config).eval()
    with torch.no_grad():
        if not tied:
            model.lm_head.weight = torch.nn.Parameter(torch.randn(61, 32) / 6)
        for name, parameter in model.named_parameters():
            if name.endswith((".wo.weight", ".o.weight")):
                parameter *= added
            if name.endswith((".wi.weight", ".wi_1.weight", ".v.weight")):
                parameter *= inside
    model.save_pretrained(folder)
    written = json.loads(config.to_json_string(use_diff=False))
    # What older files say: since version 5 transformers ties every T5, and this field alone says whether it is scaled.
    (folder / "config.json").write_text(json.dumps({**written, "tie_word_embeddings": tied}))
    return model


@torch.no_grad()
def logits(model: Any) -> Tensor:
    found: Tensor = model(**INPUTS).logits
    return found


def distance(found: Tensor, expected: Tensor) -> float:
    """NaN and infinity count as infinitely far."""
    return float(((found.float() - expected).abs().max() / expected.abs().max()).nan_to_num(float("inf")))


@every_kind
@every_scale
def test_float16_gives_the_logits_of_float32(kind: str, scale: str, tmp_path: Path) -> None:
    theirs(kind, scale, tmp_path)
    expected = logits(load(tmp_path).model)
    found = load(tmp_path, dtype="float16")
    assert found.model.dtype == torch.float16
    assert distance(logits(found.model), expected) < 1e-2


@every_kind
@every_scale
def test_powers_of_two_change_no_digit(kind: str, scale: str, tmp_path: Path) -> None:
    theirs(kind, scale, tmp_path)
    loaded = load(tmp_path)
    expected = logits(loaded.model)
    before = audit_precision(loaded.model, INPUTS)
    rescale(loaded.model, probe(loaded.model))
    assert before[0].overflows and not audit_precision(loaded.model, INPUTS)[0].overflows
    assert torch.equal(logits(loaded.model), expected)


@pytest.mark.parametrize("kind", ["relu tied", "gated tied"])
def test_transformers_loses_them(kind: str, tmp_path: Path) -> None:
    """It cuts the stream off at float16's end, which is finite and wrong, and overflows inside of sublayers."""
    expected = logits(theirs(kind, "both", tmp_path))
    half = T5ForConditionalGeneration.from_pretrained(tmp_path).half().eval()
    assert distance(logits(half), expected) > 0.1
    assert distance(logits(load(tmp_path, dtype="float16").model), expected) < 1e-2
    model = theirs(kind, "inside", tmp_path).half()
    seen: list[Tensor] = []
    for name, module in model.named_modules():
        if name.endswith("wo"):
            module.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    logits(model)
    assert not all(bool(inner.isfinite().all()) for inner in seen)


def saved_and_loaded(loaded: Checkpoint, folder: Path) -> Checkpoint:
    loaded.save_pretrained(folder)
    again = load(folder)
    assert isinstance(again, Checkpoint)
    return again


def test_the_way_back_is_the_same_file(tmp_path: Path) -> None:
    theirs("gated untied", "both", tmp_path / "theirs")
    loaded = load(tmp_path / "theirs")
    rescale(loaded.model, probe(loaded.model))
    expected = logits(loaded.model)
    again = saved_and_loaded(loaded, tmp_path / "ours")
    assert torch.equal(logits(again.model), expected)
    again.save_original(tmp_path / "back")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("theirs", "back"))
    assert all(torch.equal(tensor, first[name]) for name, tensor in second.items())


def test_digits_that_float16_dropped_do_not_come_back(tmp_path: Path) -> None:
    theirs("gated tied", "stream", tmp_path / "theirs")
    loaded = load(tmp_path / "theirs", dtype="float16")
    again = saved_and_loaded(loaded, tmp_path / "ours")
    assert torch.equal(logits(again.model), logits(loaded.model))
    with pytest.raises(ValueError, match=r"weight: was rescaled for torch.float16 and lost digits there"):
        again.save_original(tmp_path / "back")
    assert not (tmp_path / "back" / "model.safetensors").exists()


def test_what_fits_is_left_alone(tmp_path: Path) -> None:
    theirs("relu tied", "as trained", tmp_path / "theirs")
    loaded = load(tmp_path / "theirs", dtype="float16")
    assert loaded.model.config.rescaling is None and loaded.model.embedding_scale == 1
    loaded.save_original(tmp_path / "back")
    first, second = (load_file(tmp_path / name / "model.safetensors") for name in ("theirs", "back"))
    assert all(torch.equal(tensor, first[name].half()) for name, tensor in second.items())


def test_what_cannot_be_rescaled_says_so(tmp_path: Path) -> None:
    theirs("gated tied", "stream", tmp_path)
    model = load(tmp_path).model
    assert model.config.spec is not None and is_rescalable(model.config.spec)
    rescale(model, INPUTS)
    with pytest.raises(ValueError, match="^dtype: the model was rescaled already$"):
        rescale(model, INPUTS)
    for part, value in (("residual", "unimodal.residuals.PostNorm"), ("mixer", "unimodal.mixers.other.Other")):
        changed = json.loads(json.dumps(model.config.spec))
        changed["backbone"]["decoder"]["block"][part]["class"] = value
        assert not is_rescalable(changed)
    model = load(tmp_path).model
    with torch.no_grad():
        model.get_parameter("backbone.encoder.blocks.1.feedforward.gate.weight").mul_(1e6)
    with pytest.raises(ValueError, match=r"^backbone.encoder.blocks.1.feedforward.gate: reaches .* no rescaling"):
        rescale(model, INPUTS)
