"""A run on archives goes on exactly where it stopped, and its batches hold every example once a round."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.conftest import Fit, rows
from unimodal.commands.archive import main
from unimodal.data.archives import ArchiveFolder


@pytest.fixture
def archived(cache: Path, tmp_path: Path) -> str:
    assert main(["code_summary", str(tmp_path / "archives"), "--megabytes", "0.05", "--cache", str(cache)]) == 0
    assert len(ArchiveFolder(str(tmp_path / "archives")).archives) > 5
    task = {"class": "unimodal.tasks.code_summary.CodeSummary"}
    part = {"class": "unimodal.tasks.archived.Archived", "task": task, "source": str(tmp_path / "archives")}
    return json.dumps({"code_summary": part})


def test_a_resumed_run_on_archives_takes_the_same_steps(fit: Fit, archived: str) -> None:
    """Long enough for several rounds; a broken one would be a warning, and warnings are errors."""
    arguments = ["--data.tasks", archived, "--checkpoint.every", "7", "--trainer.val_check_interval", "1000"]
    arguments += ["--data.batching.longest", "200", "--data.batching.entries", "2048"]
    whole = fit(*arguments, "--trainer.max_steps", "36", folder="whole")
    fit(*arguments, "--trainer.max_steps", "12", folder="parts")
    parts = fit(*arguments, "--trainer.max_steps", "36", "--ckpt_path", "last", folder="parts")
    expected, found = (load_file(folder / "model.safetensors") for folder in (whole, parts))
    assert all(torch.equal(value, found[name]) for name, value in expected.items())
    for folder in (whole, parts):
        last = rows(folder)[-1]
        assert float(last["audit/rounds"]) >= 1 and float(last["audit/missing"]) == float(last["audit/repeated"]) == 0
