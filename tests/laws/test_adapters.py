"""Laws of every adapter: fresh it changes nothing, it alone learns, a folder gives it back, merging is exact."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.laws.parts import ARGUMENTS, close, final_classes, label
from unimodal.adapters import Adapter, load
from unimodal.batching import Batch, EncoderDecoder, Item, Packed, token_piece
from unimodal.build import build
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import total
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.spec import load_spec


def adapter_of(spec: dict[str, object]) -> Adapter:
    return build(spec, Adapter)


SPECS = [{"class": name, **spec} for name in final_classes("unimodal.adapters", Adapter) for spec in ARGUMENTS[name]]
every_adapter = pytest.mark.parametrize("spec", SPECS, ids=label)
mergeable = pytest.mark.parametrize("spec", [spec for spec in SPECS if adapter_of(spec).mergeable], ids=label)


def model_of() -> UnimodalForConditionalGeneration:
    torch.manual_seed(1)
    return UnimodalForConditionalGeneration(UnimodalConfig(**load_spec("configs/models/tiny.yaml"))).eval()


def batch_of(model: UnimodalForConditionalGeneration) -> Batch:
    torch.manual_seed(2)
    items = []
    for length in (3, 7, 5):
        ids = torch.randint(4, 500, (length,))
        items.append(Item("asr", (token_piece(ids),), token_piece([3, *ids[1:].tolist()]), ids))
    return EncoderDecoder().batch(items, Packed(source=10, target=10), model.kinds)


def last(model: UnimodalForConditionalGeneration) -> Tensor:
    return model.run_batch(batch_of(model)).written.last


def trained(spec: dict[str, object]) -> tuple[UnimodalForConditionalGeneration, Adapter]:
    """Adapted, and moved by a few steps."""
    model, adapter = model_of(), adapter_of(spec)
    torch.manual_seed(3)
    adapter.attach(model)
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        batch = batch_of(model)
        total(CrossEntropy().terms(model, model.run_batch(batch), batch)).backward()
        optimizer.step()
    return model, adapter


@every_adapter
def test_a_fresh_adapter_changes_no_output(spec: dict[str, object]) -> None:
    model = model_of()
    before, adapter = last(model), adapter_of(spec)
    adapter.attach(model)
    after = last(model.eval())
    if adapter.neutral:
        assert torch.equal(after, before)
    else:
        assert 0 < (after - before).norm() < 0.3 * before.norm()


@every_adapter
def test_the_adapter_alone_learns(spec: dict[str, Any]) -> None:
    base = dict(model_of().named_parameters())
    model, _ = trained(spec)
    kept = {name.replace(".base_layer", ""): p for name, p in model.named_parameters() if not p.requires_grad}
    whole = tuple(spec.get("modules", ()))
    assert kept.keys() == {name for name in base if not name.startswith(whole)}
    assert all(torch.equal(value, base[name]) and value.grad is None for name, value in kept.items())
    learning = [p for p in model.parameters() if p.requires_grad]
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in learning)


@every_adapter
def test_a_folder_gives_it_back(spec: dict[str, object], tmp_path: Path) -> None:
    model, adapter = trained(spec)
    adapter.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} >= {"adapter_config.json", "adapter_model.safetensors"}
    again = model_of()
    loaded = load(again, tmp_path)
    assert type(loaded) is type(adapter)
    assert torch.equal(last(again.eval()), last(model)) and not torch.equal(last(model), last(model_of()))
    loaded.save(again, tmp_path / "again")
    first, second = ((folder / "adapter_model.safetensors").read_bytes() for folder in (tmp_path, tmp_path / "again"))
    assert first == second


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated")  # peft's question to transformers
@mergeable
def test_peft_itself_reads_the_folder(spec: dict[str, object], tmp_path: Path) -> None:
    from peft import PeftModel

    model, adapter = trained(spec)
    adapter.save(model, tmp_path)
    assert json.loads((tmp_path / "adapter_config.json").read_text())["base_model_name_or_path"] is None
    merged = PeftModel.from_pretrained(model_of(), str(tmp_path)).merge_and_unload()
    close(last(merged.eval()), last(model))


@mergeable
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_merging_is_exact(spec: dict[str, object], dtype: torch.dtype, tolerance: float) -> None:
    model, adapter = trained(spec)
    model = model.to(dtype)
    before = last(model)
    adapter.merge(model)
    close(last(model), before, tolerance)
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in model_of().named_parameters()]
    assert all(type(part) is nn.Linear for name, part in model.named_modules() if name.endswith(("query", "up")))


@every_adapter
def test_a_file_that_does_not_fit_is_named(spec: dict[str, object], tmp_path: Path) -> None:
    """One tensor less, and one of another shape."""
    model, adapter = trained(spec)
    adapter.save(model, tmp_path)
    file = tmp_path / "adapter_model.safetensors"
    weights = load_file(file)
    name = sorted(weights)[0]
    save_file({name: weights[name][:-1].contiguous()}, file)
    with pytest.raises(ValueError, match=r"adapter_model.safetensors: .*the config and the model ask for"):
        load(model_of(), tmp_path)


@every_adapter
def test_it_fits_a_model_of_another_type(spec: dict[str, object], tmp_path: Path) -> None:
    """Saved in float32, put beside weights in bfloat16: what it says stays about the same."""
    model, adapter = trained(spec)
    adapter.save(model, tmp_path)
    again = model_of().to(torch.bfloat16)
    loaded = load(again, tmp_path)
    if loaded.mergeable:
        loaded.merge(again)
    answer = last(again.eval())
    assert answer.dtype is torch.bfloat16
    close(answer.float(), last(model), 0.1)


def test_a_wrong_target_and_a_wrong_folder_are_named(tmp_path: Path) -> None:
    spec = {"class": "unimodal.adapters.lora.Lora", "targets": ["qwery"]}
    with pytest.raises(ValueError, match=r"targets: no linear layer is named like qwery; .*query.*"):
        adapter_of(spec).attach(model_of())
    with pytest.raises(FileNotFoundError, match=r"adapter_model.safetensors: not there"):
        type(adapter_of(spec)).load(model_of(), tmp_path)
