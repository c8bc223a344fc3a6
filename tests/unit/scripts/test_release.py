"""Models that the repository holds: they load, answer, and their cards say what was measured."""

import csv
import json
from pathlib import Path

import pytest
import torch

from scripts.release import KEPT, MOST_BYTES, release
from unimodal.loading.hub import load_own
from unimodal.prenets.waveform import Waveform
from unimodal.tasks import Example

MODELS = Path(__file__).parents[3] / "models"
KNOWN = sorted(path for path in MODELS.iterdir() if path.is_dir())


def test_all_that_is_shipped_is_small() -> None:
    assert KNOWN and sum(path.stat().st_size for path in MODELS.rglob("*")) < MOST_BYTES


@pytest.mark.parametrize("folder", KNOWN, ids=lambda path: path.name)
def test_the_card_and_the_losses_are_those_of_the_scores(folder: Path) -> None:
    scores = json.loads((folder / "scores.json").read_text(encoding="utf-8"))
    card = (folder / "README.md").read_text(encoding="utf-8")
    for task, found in scores.items():
        for measure, value in found["model"].items():
            assert f"| {task} | {measure} | {value:.3g} |" in card
    losses = list(csv.DictReader((folder / "losses.csv").read_text(encoding="utf-8").splitlines()))
    assert len(losses) > 2 and all(float(row["validation/loss"]) > 0 for row in losses)


def test_the_model_of_spoken_language_names_a_speaker() -> None:
    model = load_own(MODELS / "speech")
    assert {parameter.dtype for parameter in model.model.parameters()} == {torch.float32}
    sound = Waveform(torch.sin(torch.arange(16_000) * 0.2), 16_000, "tone")
    task = model.task("sid")
    (found,) = model.answer(task, [Example("tone#0", {"speech": sound})])
    assert task.codec is not None and [*found.tokens[:-1]] == task.codec.encode(found.value), "one of the speakers"


def test_a_run_that_was_not_scored_is_named(tmp_path: Path) -> None:
    for name in KEPT[:-1]:
        (tmp_path / name).write_text("{}")
    with pytest.raises(FileNotFoundError, match=r"scores.json: not there; train the model and score it first"):
        release(tmp_path, tmp_path / "out", "make speech")
    assert not (tmp_path / "out").exists()


def test_what_is_released_is_the_model_in_half_the_bytes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    load_own(MODELS / "speech").save_pretrained(run)
    (run / "scores.json").write_bytes((MODELS / "speech" / "scores.json").read_bytes())
    (run / "metrics.csv").write_bytes((MODELS / "speech" / "losses.csv").read_bytes())
    release(run, tmp_path / "speech", "python -m scripts.train_speech --out runs/speech --twins")
    for name in ("model.safetensors", "losses.csv", "README.md"):
        assert (tmp_path / "speech" / name).read_bytes() == (MODELS / "speech" / name).read_bytes()
    assert (run / "model.safetensors").stat().st_size > 1.9 * (tmp_path / "speech" / "model.safetensors").stat().st_size
