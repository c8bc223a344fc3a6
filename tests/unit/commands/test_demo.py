"""The demo's plan, without training: what its config says, and that its time is kept."""

import json
from pathlib import Path

import pytest

from unimodal.build import build
from unimodal.catalogue import task_names
from unimodal.commands import demo
from unimodal.commands.demo import CONFIG, Demo, Settings
from unimodal.training import recipes
from unimodal.training.checkpoints.folders import CheckpointFolders
from unimodal.training.recipes import load_config


@pytest.fixture
def settings() -> Settings:
    return build({"class": "unimodal.commands.demo.Settings", **load_config(CONFIG)}, Settings)


@pytest.fixture
def planned(tmp_path: Path, settings: Settings) -> Demo:
    return Demo(tmp_path / "run", settings, minutes=None, seed=7, resume=False)


def test_the_shipped_config_trains_and_adapts_known_tasks(planned: Demo, settings: Settings) -> None:
    assert set(planned.training["data"]["tasks"]) <= set(task_names())
    assert list(planned.adapter["data"]["tasks"]) == [settings.adapted]
    assert planned.adapter["model"]["source"] == str(planned.out)
    assert planned.training["seed_everything"] == planned.adapter["seed_everything"] == 7
    assert settings.minutes["whole"] <= 25


def test_pretraining_gets_the_time_that_is_left(planned: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []
    monkeypatch.setattr(demo, "fit", lambda config, folder, *, seconds, checkpoint: given.append(seconds) or "trained")
    planned.minutes = {"whole": 10.0, "fine_tuning": 2.0, "evaluation": 3.0}
    planned.pretrain()
    assert given[0] == pytest.approx(300, abs=2)
    planned.minutes["whole"] = 5.1
    with pytest.raises(ValueError, match="minutes: 5.1 leave nothing for training; other stages take 5"):
        planned.pretrain()


def test_the_schedule_ends_with_the_time(tmp_path: Path, planned: Demo, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    monkeypatch.setattr(recipes, "main", seen.append)
    monkeypatch.setattr(recipes, "_last_step", lambda metrics: "1 step")
    recipes.fit(planned.training, tmp_path / "run", seconds=3725.4, checkpoint=tmp_path / "step-000010")
    command, flag, recipe, *more = seen[0]
    written = load_config(recipe)
    assert (command, flag, more) == ("fit", "--config", ["--ckpt_path", str(tmp_path / "step-000010")])
    assert written["trainer"]["max_time"] == "00:01:02:05" and written["model"]["schedule"]["seconds"] == 3725
    assert written["trainer"]["default_root_dir"] == str(tmp_path / "run")


def test_a_stopped_run_goes_on_where_its_config_is_the_same(
    tmp_path: Path, planned: Demo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recipes, "main", lambda arguments: 0)
    monkeypatch.setattr(recipes, "_last_step", lambda metrics: "1 step")
    assert recipes.unfinished(planned.training, tmp_path) is None
    recipes.fit(planned.training, tmp_path, seconds=60)
    folders = CheckpointFolders(tmp_path)
    folders.staged(10).mkdir(parents=True)
    assert recipes.unfinished(planned.training, tmp_path) is None
    last = folders.commit(10, ranks=[])
    assert recipes.unfinished(planned.training, tmp_path) == last
    another = {**planned.training, "seed_everything": 8}
    assert recipes.unfinished(another, tmp_path) is None


def test_where_nothing_can_be_trained_one_line_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from unimodal.cli import guarded

    monkeypatch.setattr(demo, "fetch_all", lambda corpora: ([], ["mnist is left out: no registry"]))
    monkeypatch.setattr(demo, "learn_pieces", lambda config, folder: "pieces")

    def fit(*arguments: object, **more: object) -> str:
        raise ValueError("data.tasks: none of them can be had here")

    monkeypatch.setattr(demo, "fit", fit)
    status = guarded(lambda: demo.main(["--out", str(tmp_path / "run")]))
    said = capsys.readouterr()
    assert (status, said.err) == (2, "unimodal: data.tasks: none of them can be had here\n")
    assert "mnist is left out: no registry" in said.out and not (tmp_path / "run" / "metrics.json").exists()
    assert "pretrain" not in json.loads((tmp_path / "run" / "stages.json").read_text())
