"""Parts that learn whole beside an adapter: they and the chosen rows alone, in PEFT's file, and back."""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unimodal.adapters import load
from unimodal.adapters.lora import Lora
from unimodal.adapters.with_parts import WithParts
from unimodal.batching import Batch, EncoderDecoder, Item, Packed, token_piece
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import total
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.spec import load_spec
from unimodal.training.optimizer import AdamW

MODULES, ROWS = ["prenets.characters"], [500, 17]


def fresh() -> UnimodalForConditionalGeneration:
    torch.manual_seed(1)
    return UnimodalForConditionalGeneration(UnimodalConfig(**load_spec("configs/models/tiny.yaml"))).eval()


def batch(model: UnimodalForConditionalGeneration) -> Batch:
    torch.manual_seed(2)
    items = []
    for length in (3, 7):
        ids = torch.randint(4, 500, (length,))
        ids[0] = 17
        items.append(Item("asr", (token_piece(ids, "characters"),), token_piece([3, *ids[1:].tolist()]), ids))
    return EncoderDecoder().batch(items, Packed(source=10, target=10), model.kinds)


def last(model: UnimodalForConditionalGeneration) -> Tensor:
    output = model.run_batch(batch(model)).written.last
    return model.logits(output)


def trained() -> tuple[UnimodalForConditionalGeneration, WithParts]:
    model, adapter = fresh(), WithParts(Lora(targets=["query"], rank=2), modules=MODULES, rows=ROWS)
    adapter.attach(model)
    optimizer = AdamW(learning_rate=0.05, weight_decay=0.5).make(model)
    for _ in range(3):
        optimizer.zero_grad()
        given = batch(model)
        total(CrossEntropy().terms(model, model.run_batch(given), given)).backward()
        optimizer.step()
    return model, adapter


def test_a_fresh_one_changes_no_output() -> None:
    model = fresh()
    before = last(model)
    WithParts(Lora(), modules=MODULES, rows=ROWS).attach(model)
    assert torch.equal(last(model), before)


def test_the_parts_and_the_rows_alone_learn() -> None:
    base = dict(fresh().named_parameters())
    model, _ = trained()
    moved = set()
    for name, value in model.named_parameters():
        plain = name.replace(".base_layer", "")
        if "lora_" not in name and not torch.equal(value, base[plain]):
            moved.add(plain)
    inside = {name for name in base if name.startswith("prenets.characters.")}
    assert moved == inside | {"embedding.weight"} and inside
    rows = (model.embedding.weight != base["embedding.weight"]).any(1).nonzero().flatten().tolist()
    assert set(rows) <= set(ROWS) and 17 in rows


def test_a_folder_gives_it_back_and_peft_knows_its_fields(tmp_path: Path) -> None:
    from peft import LoraConfig

    model, adapter = trained()
    adapter.save(model, tmp_path)
    config = LoraConfig.from_pretrained(str(tmp_path))
    assert config.modules_to_save == MODULES and config.trainable_token_indices == {"embedding": ROWS}
    again = fresh()
    loaded = load(again, tmp_path)
    assert torch.equal(last(again.eval()), last(model)) and not torch.equal(last(model), last(fresh()))
    loaded.save(again, tmp_path / "again")
    for name in ("adapter_model.safetensors", "adapter_config.json"):
        assert (tmp_path / name).read_bytes() == (tmp_path / "again" / name).read_bytes()


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")
def test_peft_itself_reads_the_folder(tmp_path: Path) -> None:
    from peft import PeftModel

    model, adapter = trained()
    adapter.save(model, tmp_path)
    merged = PeftModel.from_pretrained(fresh(), str(tmp_path)).merge_and_unload()
    assert torch.allclose(last(merged.eval()), last(model), atol=1e-5)


def test_merging_leaves_a_plain_model(tmp_path: Path) -> None:
    model, adapter = trained()
    before = last(model)
    adapter.merge(model)
    assert torch.allclose(last(model), before, atol=1e-5)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in fresh().named_parameters()]


def without(name: str) -> Callable[[dict[str, Tensor]], object]:
    return lambda tensors: tensors.pop(next(key for key in tensors if name in key))


BROKEN: dict[str, tuple[dict[str, Any], Callable[[dict[str, Tensor]], object], str]] = {
    "another part": ({"modules_to_save": ["prenets.music"]}, lambda t: None, r"modules_to_save: expected names"),
    "no list": ({"modules_to_save": "all-linear"}, lambda t: None, r"modules_to_save: expected names"),
    "no such row": ({"trainable_token_indices": {"embedding": [10**6]}}, lambda t: None, r"different ids below"),
    "another table": ({"trainable_token_indices": {"head": [1]}}, lambda t: None, r"ids of rows of 'embedding'"),
    "truth as a row": ({"trainable_token_indices": {"embedding": [True]}}, lambda t: None, r"ids of rows"),
    "no rows": ({}, without("trainable_tokens_delta"), r"trainable_tokens_delta: the model asks for"),
    "half a part": ({}, without("prenets.characters"), r"prenets.characters.*: the model asks for"),
    "half an adapter": ({}, without("lora_A"), r"lora_A"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_folder_that_does_not_fit_is_named(case: str, tmp_path: Path) -> None:
    model, adapter = trained()
    adapter.save(model, tmp_path)
    settings, change, message = BROKEN[case]
    config = tmp_path / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), **settings}), encoding="utf-8")
    tensors = load_file(tmp_path / "adapter_model.safetensors")
    change(tensors)
    save_file(tensors, tmp_path / "adapter_model.safetensors")
    with pytest.raises(ValueError, match=re.compile(message)):
        load(fresh(), tmp_path)


def test_a_part_that_is_not_there_is_named() -> None:
    with pytest.raises(ValueError, match=r"modules: the model has no part 'prenets.music'; its pre-nets are prenets"):
        WithParts(Lora(), modules=["prenets.music"]).attach(fresh())
