"""Whole runs of a tiny model: files, resuming, adapters, mistakes."""

import json
import re
from pathlib import Path

import pytest
import torch
import yaml
from safetensors.torch import load_file

from tests.unit.training.conftest import Fit, rows
from unimodal.cli import main as command_line
from unimodal.loading.hub import load_own
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.spec import load_spec, merge_specs
from unimodal.task import Example
from unimodal.training.checkpoints.states import read_state
from unimodal.vocabulary import TextPieces

SHORT = ("--trainer.max_steps", "6", "--trainer.val_check_interval", "3", "--checkpoint.every", "2")
NOISY = {"spec": {"backbone": {side: {"block": {"residual": {"dropout": 0.3}}} for side in ("encoder", "decoder")}}}
PACKED = (
    "unimodal.training.data.bucketings.mixed.Mixed",
    {"class": "unimodal.batching.Packed", "source": 256, "target": 64},
)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_a_run_leaves_metrics_a_checkpoint_and_a_model(fit: Fit) -> None:
    folder = fit(*SHORT)
    found = rows(folder)
    assert [int(row["step"]) for row in found] == list(range(6))
    for row in found:
        assert float(row["train/loss"]) == pytest.approx(float(row["train/code_summary/cross_entropy"]))
        assert 0 < float(row["learning_rate"]) <= 0.003
    assert [row["step"] for row in found if row["validation/loss"]] == ["2", "5"]
    assert all(float(row["validation/code_summary/cross_entropy"]) > 0 for row in found if row["validation/loss"])
    assert [path.name for path in sorted((folder / "checkpoints").iterdir())] == ["step-000004", "step-000006"]
    saved, rest = read_state(folder / "checkpoints/step-000006")
    assert rest["global_step"] == 6 and rest["progress"]["entries"] > 0
    assert list(folder.glob("tensorboard/events*"))
    names = {"config.json", "model.safetensors", "tokenizer.model", "processor_config.json"}
    assert names <= {path.name for path in folder.iterdir()}
    model = load_own(folder)
    task = model.task("code_summary")
    (result,) = model.answer(task, [Example("mine", {"code": "def area(width, height):\n    return width * height\n"})])
    assert isinstance(result.value, str)
    for name, value in model.model.state_dict().items():
        assert torch.equal(value, saved[f"model.{name}"]), name


@pytest.mark.parametrize(("batching", "stop"), [(None, 5), (PACKED, 6)], ids=["by_length", "packed"])
def test_a_resumed_run_takes_the_same_steps(
    fit: Fit, batching: tuple[str, object] | None, stop: int, tmp_path: Path
) -> None:
    """Dropout, augmentation, order, optimiser and schedule go on, after a step with a validation and one without."""
    model = tmp_path / "model.yaml"
    model.write_text(yaml.safe_dump(merge_specs(load_spec("configs/models/tiny.yaml"), NOISY)), encoding="utf-8")
    arguments = ["--trainer.val_check_interval", "3", "--checkpoint.every", "2", "--model.source", str(model)]
    if batching is not None:
        arguments += ["--data.batching.bucketing", batching[0], "--data.batching.packer", json.dumps(batching[1])]
    whole = fit(*arguments, "--trainer.max_steps", "9", folder="whole")
    fit(*arguments, "--trainer.max_steps", str(stop), folder="parts")
    parts = fit(*arguments, "--trainer.max_steps", "9", "--ckpt_path", "last", folder="parts")
    expected, found = rows(whole), rows(parts)
    timed = {"entries_per_second": "", "waiting": "", "model_flop_utilisation": ""}
    assert [{**row, **timed} for row in found] == [{**row, **timed} for row in expected]
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(parts).items())


def test_a_run_with_no_step_left_leaves_its_model(fit: Fit) -> None:
    """As after a kill between the last checkpoint and the model."""
    folder = fit(*SHORT)
    before = weights(folder)
    (folder / "model.safetensors").unlink()
    fit(*SHORT, "--ckpt_path", "last")
    assert all(torch.equal(value, before[name]) for name, value in weights(folder).items())


def test_workers_change_no_step(fit: Fit) -> None:
    alone, helped = fit(*SHORT, folder="alone"), fit(*SHORT, "--data.batching.workers", "2", folder="helped")
    assert all(torch.equal(value, weights(alone)[name]) for name, value in weights(helped).items())


def test_accumulated_steps_resume_too(fit: Fit) -> None:
    arguments = ("--trainer.accumulate_grad_batches", "2", "--trainer.val_check_interval", "100")
    whole = fit(*arguments, "--trainer.max_steps", "4", folder="whole")
    fit(*arguments, "--trainer.max_steps", "2", folder="parts")
    parts = fit(*arguments, "--trainer.max_steps", "4", "--ckpt_path", "last", folder="parts")
    assert all(torch.equal(value, weights(whole)[name]) for name, value in weights(parts).items())


def test_the_loss_falls(fit: Fit) -> None:
    folder = fit("--trainer.max_steps", "30", "--trainer.val_check_interval", "30", "--data.batching.entries", "512")
    losses = [float(row["train/loss"]) for row in rows(folder)]
    assert sum(losses[-5:]) / 5 < 0.8 * losses[0]


def test_validate_and_test_measure_a_checkpoint(fit: Fit, capsys: pytest.CaptureFixture[str]) -> None:
    folder = fit(*SHORT)
    last = rows(folder)[-1]["validation/loss"]
    fit("--ckpt_path", "last", command="validate")
    assert float(rows(folder)[-1]["validation/loss"]) == pytest.approx(float(last), abs=1e-5)
    fit("--ckpt_path", "last", command="test")
    assert float(rows(folder)[-1]["test/loss"]) > 0


def test_an_adapter_is_trained_beside_a_model_that_stays(fit: Fit) -> None:
    base = fit(*SHORT, folder="base")
    before = (base / "model.safetensors").read_bytes()
    lora = {"class": "unimodal.adapters.lora.Lora", "targets": ["query", "up"], "rank": 2}
    source = (
        "--model.source",
        str(base),
        "--model.adapter",
        json.dumps(lora),
        "--model.optimizer.learning_rate",
        "0.1",
    )
    folder = fit(*SHORT, *source, folder="base/adapter")
    assert {"adapter_config.json", "adapter_model.safetensors", "checkpoints", "metrics.csv"} <= {
        path.name for path in folder.iterdir()
    }
    assert not (folder / "model.safetensors").exists() and (base / "model.safetensors").read_bytes() == before
    checkpoint, _ = read_state(folder / "checkpoints/step-000006")
    trained = UnimodalForConditionalGeneration.from_pretrained(base).state_dict()
    for name, value in checkpoint.items():
        plain = name.removeprefix("model.").replace(".base_layer", "")
        assert ("lora_" in name) != (plain in trained and torch.equal(value, trained[plain])), name


MISTAKES = {
    "unknown task": (["--data.tasks", '{"sing": null}'], r"unknown task 'sing'"),
    "no such model": (["--model.source", "nowhere.yaml"], r"nowhere.yaml: no such file"),
    "no such class": (
        ["--model.objective", '{"class": "unimodal.objectives.frames.Frame"}'],
        r"model.objective: .*Frame",
    ),
    "misspelt part": (["--model.schedule.warmupp", "3"], r"model.schedule.warmupp: .*did you mean 'warmup'"),
    "misspelt argument": (["--trainer.max_stepss", "3"], r"max_stepss"),
    "not a number": (["--trainer.max_steps", "many"], r"trainer.max_steps.*many"),
    "no checkpoint": (["--ckpt_path", "last"], r"checkpoints: no whole checkpoint to go on from"),
    "nothing to learn pieces from": (
        ["--data.pieces", "nowhere.model", "--data.texts", "null"],
        r"nowhere.model: no such file",
    ),
    "too short a limit": (["--data.batching.longest", "3"], r"longest: hardly any example"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(
    name: str, tmp_path: Path, cache: Path, pieces: TextPieces, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments, message = MISTAKES[name]
    pieces.save(tmp_path / "tokenizer.model")
    given = ["fit", "--config", "configs/training/smoke.yaml", "--trainer.default_root_dir", str(tmp_path)]
    given += ["--data.tasks", '{"code_summary": null}', "--data.cache", str(cache)]
    assert command_line([*given, *arguments]) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("unimodal: ") and re.search(message, line), line
