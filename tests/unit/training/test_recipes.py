"""Going on from a checkpoint: of the same run, and of one that was meant to be shorter."""

from pathlib import Path
from typing import Any

import pytest

from unimodal.training import recipes
from unimodal.training.checkpoints.folders import CheckpointFolders


def config(steps: int, schedule: str = "WarmUpStableDecay", **more: int) -> dict[str, Any]:
    chosen = {"class": f"unimodal.training.schedule.{schedule}", "warmup": 10, "steps": steps, **more}
    return {"trainer": {"max_steps": steps}, "model": {"schedule": chosen}, "data": {}}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run that ended after 100 steps, of which the last 20 had falling rates; checkpoints at 60, 80 and 100."""
    monkeypatch.setattr(recipes, "main", lambda arguments: 0)
    monkeypatch.setattr(recipes, "_last_step", lambda metrics: "done")
    recipes.fit(config(100, decay=20), tmp_path)
    folders = CheckpointFolders(tmp_path, keep=3)
    for step in (60, 80, 100):
        folders.staged(step).mkdir(parents=True)
        folders.commit(step, ranks=[])
    return tmp_path


def test_a_run_goes_on_for_longer_from_before_its_rates_fell(folder: Path) -> None:
    found = {steps: recipes.unfinished(config(steps, decay=20), folder) for steps in (90, 100, 101, 400)}
    assert {steps: path and path.name for steps, path in found.items()} == {
        90: "step-000060",  # whose rates fall from the 70th step on
        100: "step-000100",
        101: "step-000080",
        400: "step-000080",
    }


def test_another_way_of_rising_or_falling_is_another_run(folder: Path) -> None:
    assert recipes.unfinished(config(400, "WarmUpCosine"), folder) is None
    assert recipes.unfinished({**config(400, decay=20), "data": {"tasks": {}}}, folder) is None
    risen = config(400, decay=20)
    risen["model"]["schedule"]["warmup"] = 11
    assert recipes.unfinished(risen, folder) is None
