"""Types by name: in `unimodal.load`, in `unimodal convert`, and what is refused."""

import json
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from transformers import BartConfig, BartForConditionalGeneration, T5Config, T5ForConditionalGeneration

from unimodal import cli
from unimodal.loading.foreign import Checkpoint
from unimodal.loading.hub import load
from unimodal.loading.own import Unimodal
from unimodal.precision.dtypes import INT8, NUMBER_TYPES, quantize

INPUTS = {name: torch.arange(2, 12).reshape(2, 5) for name in ("input_ids", "decoder_input_ids")}


@pytest.fixture
def t5(tmp_path: Path) -> Path:
    config = T5Config(vocab_size=61, d_model=32, d_kv=8, d_ff=64, num_heads=4, num_layers=2, decoder_start_token_id=0)
    T5ForConditionalGeneration(config).save_pretrained(tmp_path / "t5")
    return tmp_path / "t5"


@pytest.fixture
def bart(tmp_path: Path) -> Path:
    """One whose first map in the encoder's feed-forward overflows; post-norm, so that nothing rescales it."""
    sizes = {f"{side}_{name}": size for side in ("encoder", "decoder") for name, size in SIZES.items()}
    model = BartForConditionalGeneration(BartConfig(vocab_size=61, d_model=32, max_position_embeddings=80, **sizes))
    with torch.no_grad():
        model.model.encoder.layers[0].fc1.weight.mul_(1e8)
        model.model.encoder.layers[0].fc2.weight.div_(1e8)
    model.save_pretrained(tmp_path / "bart")
    return tmp_path / "bart"


SIZES = {"layers": 1, "attention_heads": 4, "ffn_dim": 48}


@pytest.mark.parametrize("name", [*NUMBER_TYPES, *(torch.float32, torch.bfloat16, torch.float16)], ids=str)
@torch.no_grad()
def test_a_checkpoint_is_loaded_in_a_type_by_its_name(name: str | torch.dtype, t5: Path) -> None:
    expected = load(t5).model(**INPUTS).logits
    loaded = load(t5, dtype=name)
    kind = dict.fromkeys(("auto", "int8", "int4"), torch.float32).get(str(name)) or getattr(
        torch, str(name).split(".")[-1]
    )
    assert {p.dtype for p in loaded.model.parameters()} == {kind}
    found = loaded.model(**INPUTS).logits
    assert found.dtype == kind
    assert (found.float() - expected).norm() < (0.3 if name == "int4" else 0.05) * expected.norm()
    options = {"max_new_tokens": 4, "eos_token_id": 60}
    assert loaded.generate(INPUTS["input_ids"], **options).shape == (2, 5)


@pytest.mark.parametrize("name", ["int2", "long", torch.complex64])
def test_any_other_type_is_named(name: str | torch.dtype, t5: Path) -> None:
    with pytest.raises(
        ValueError, match=r"^dtype: '\w+' is none of auto, float64, float32, bfloat16, float16, int8, int4$"
    ):
        load(t5, dtype=name)


def test_our_own_models_are_loaded_in_eight_bits_and_answer(tiny_folder: Path) -> None:
    loaded = load(tiny_folder, dtype="int8")
    assert isinstance(loaded, Unimodal) and loaded.model.config.quantization == INT8
    short = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": 12}
    assert len(loaded.run("translate_fr", prompt="press one", decoding=short)) == 1


def test_eight_bits_are_saved_and_do_not_go_back(t5: Path, tmp_path: Path) -> None:
    loaded = load(t5, dtype="int8")
    assert isinstance(loaded, Checkpoint)
    loaded.save_pretrained(tmp_path / "ours")
    sizes = [(folder / "model.safetensors").stat().st_size for folder in (tmp_path / "ours", t5)]
    assert sizes[0] < 0.4 * sizes[1]  # of a model this small, the file's head is a part
    again = load(tmp_path / "ours")
    with torch.no_grad():
        assert torch.equal(again.model(**INPUTS).logits, loaded.model(**INPUTS).logits)
    assert load(tmp_path / "ours", dtype="int8").model.config.quantization == INT8
    for dtype in ("float32", "float16"):
        with pytest.raises(ValueError, match=r"^dtype: the weights are .*Int8, and nothing brings the floats back$"):
            load(tmp_path / "ours", dtype=dtype)
    with pytest.raises(ValueError, match=r"^dtype: the weights are .*Int8, and nothing brings the floats back$"):
        again.save_original(tmp_path / "back")
    with pytest.raises(ValueError, match=r"^dtype: the weights are .*Int8 already; load the original$"):
        quantize(again.model, "unimodal.quantizations.none.NoQuantization")


def test_a_config_names_a_quantization_or_nothing(t5: Path, tmp_path: Path) -> None:
    load(t5, dtype="int8").save_pretrained(tmp_path / "ours")
    file = tmp_path / "ours" / "config.json"
    for quantization in ("os.path.join", "unimodal.plans.sequential.Sequential"):
        file.write_text(json.dumps({**json.loads(file.read_text()), "quantization": quantization}))
        with pytest.raises(ValueError, match=r"config.quantization: .*(is not below unimodal|is not a Quantization)"):
            load(tmp_path / "ours")


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "int4"])
def test_convert_writes_the_type(dtype: str, t5: Path, tmp_path: Path) -> None:
    assert cli.main(["convert", str(t5), str(tmp_path / "ours"), "--dtype", dtype]) == 0
    weights = load_file(tmp_path / "ours" / "model.safetensors")
    assert weights["embedding.weight"].dtype == getattr(torch, "int8" if dtype == "int4" else dtype)


def test_float16_warns_where_it_overflows(bart: Path, tmp_path: Path) -> None:
    with pytest.warns(
        UserWarning, match=r"(?s)^dtype: float16 has no numbers .*encoder.blocks.0.feedforward.up \(out\)"
    ):
        assert cli.main(["convert", str(bart), str(tmp_path / "ours"), "--dtype", "float16"]) == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(bart, dtype="bfloat16")
