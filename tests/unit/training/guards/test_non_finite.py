"""The layer in which the first non-finite value appears is named, whatever the direction of the pass."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from tests.unit.training.conftest import Fit, rows
from unimodal.batching import Batch, EncoderDecoder, Item, Padded, token_piece
from unimodal.cli import main as command_line
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.training.measuring.finiteness import arrays, first_non_finite
from unimodal.training.module import model_of
from unimodal.training.replay import main as replay
from unimodal.training.replay import read_batch

SHORT = ("--trainer.val_check_interval", "100", "--checkpoint.every", "2")


class Spoilt(nn.Module):
    """A layer that gives or passes on a value that is not finite."""

    def __init__(self, layer: nn.Module, *, output: float = 0.0, gradient: float = 0.0) -> None:
        super().__init__()
        self.layer, self.output, self.gradient = layer, output, gradient

    def forward(self, *args: Any, **kwargs: Any) -> Tensor:
        return _Spoil.apply(self.layer(*args, **kwargs), self.output, self.gradient)


class _Spoil(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, output: float, gradient: float) -> Tensor:
        ctx.gradient = gradient
        return x + output

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None]:
        return upstream + ctx.gradient, None, None


@pytest.fixture
def model() -> UnimodalForConditionalGeneration:
    return model_of("configs/models/tiny.yaml")


def batch(model: UnimodalForConditionalGeneration) -> Batch:
    items = [
        Item("asr", (token_piece([5, 6, 7, 8][:n]),), token_piece([1, 9, 10]), torch.tensor([9, 10, 2])) for n in (4, 2)
    ]
    return EncoderDecoder().batch(items, Padded(), model.kinds)


PLACES = {
    "encoder.blocks.1.feedforward.up": (math.nan, 0.0, "the output of model.backbone.encoder.blocks.1.feedforward.up"),
    "decoder.blocks.0.mixer.value": (math.inf, 0.0, "the output of model.backbone.decoder.blocks.0.mixer.value"),
    "encoder.blocks.0.mixer": (0.0, math.inf, "the gradient that model.backbone.encoder.blocks.0.mixer passes on"),
    "decoder.blocks.1.feedforward": (
        0.0,
        math.nan,
        "the gradient that model.backbone.decoder.blocks.1.feedforward passes on",
    ),
}


@pytest.mark.parametrize("place", PLACES)
def test_a_layer_is_named(model: UnimodalForConditionalGeneration, place: str) -> None:
    output, gradient, words = PLACES[place]
    owner, _, last = f"backbone.{place}".rpartition(".")
    parent = model.get_submodule(owner)
    setattr(parent, last, Spoilt(parent.get_submodule(last), output=output, gradient=gradient))
    assert first_non_finite(model, CrossEntropy(), batch(model), 0) == words


def test_parameters_arrays_and_losses_are_named(model: UnimodalForConditionalGeneration) -> None:
    good = batch(model)
    hooks = sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    assert first_non_finite(model, CrossEntropy(), good, 0) is None
    assert hooks == sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules())
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        model.embedding.weight[3, 4] = math.nan
    assert first_non_finite(model, CrossEntropy(), good, 0) == "the parameter model.embedding.weight, before the step"


def test_a_run_stops_before_the_step_and_the_batch_can_be_replayed(
    fit: Fit, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """A weight so large that a product overflows, as after a step that was too long."""
    base = fit(*SHORT, "--trainer.max_steps", "2", folder="base")
    weights = load_file(base / "model.safetensors")
    weights["backbone.decoder.blocks.1.feedforward.down.weight"] *= 3e38
    save_file(weights, base / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match="^step 0: the first non-finite value is in the output of ") as stopped:
        fit(*SHORT, "--trainer.max_steps", "9", "--model.source", str(base))
    line = str(stopped.value)
    layer = "model.backbone.decoder.blocks.1.feedforward.down"
    assert f"the output of {layer};" in line and "\n" not in line
    run = tmp_path / "run"
    assert not (run / "model.safetensors").exists() and not list(run.glob("checkpoints/*"))
    command = re.search(r"python -m unimodal\.training\.replay (\S+)$", line)
    assert command is not None
    folder = Path(command[1])
    found, notes = read_batch(folder)
    assert notes["step"] == 0 and set(found.tasks) == {"code_summary"} and len(dict(arrays(found))) > 10
    capfd.readouterr()
    assert replay([str(folder)]) == 0
    assert f"the first non-finite value is in the output of {layer}" in capfd.readouterr().out
    (folder / "batch.json").write_text(json.dumps({**notes, "tasks": []}), encoding="utf-8")
    (folder / "batch.safetensors").write_bytes((base / "model.safetensors").read_bytes())
    with pytest.raises(ValueError, match=r"batch\.safetensors: holds no batch"):
        replay([str(folder)])
    with pytest.raises(FileNotFoundError, match=r"nowhere.*no such file"):
        replay(["nowhere"])
    assert rows(base) and command_line(["fit", "--config", "nowhere.yaml"]) == 2


def test_an_accumulated_batch_is_found(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gradient of the first of three batches is bad: the last ones, whose own are good, are not blamed."""
    seen: list[int] = []
    through = CrossEntropy.terms

    def terms(self: CrossEntropy, model: Any, output: Any, batch: Batch) -> Any:
        if batch.num_entries not in seen:
            seen.append(batch.num_entries)
        found = through(self, model, output, batch)
        if batch.num_entries == seen[0]:
            found["cross_entropy"].loss.register_hook(lambda gradient: gradient * math.inf)
        return found

    monkeypatch.setattr(CrossEntropy, "terms", terms)
    with pytest.raises(ValueError, match="step 0: the first non-finite value is in the gradient of the loss at the"):
        fit(*SHORT, "--trainer.max_steps", "9", "--trainer.accumulate_grad_batches", "3")
