"""Stages run in order, say what they took, and are not run again when they are finished."""

from pathlib import Path

import pytest
from rich.console import Console

from unimodal.running.stages import Stages


def job(folder: Path, log: list[str], *, key: str = "k", resume: bool = False) -> Stages:
    stages = Stages(folder, total=2, resume=resume, console=Console(quiet=True))

    def make() -> str:
        log.append("make")
        (folder / "product").touch()
        return "made"

    stages.run("make", make, key=key, products=("product",))
    stages.run("look", lambda: log.append("look") or "seen")  # type: ignore[func-returns-value]
    return stages


def test_a_finished_stage_is_kept_on_resume_alone(tmp_path: Path) -> None:
    log: list[str] = []
    assert [stage.said for stage in job(tmp_path, log).done] == ["made", "seen"]
    job(tmp_path, log)
    assert log == ["make", "look"] * 2
    resumed = job(tmp_path, log, resume=True)
    assert log == ["make", "look"] * 2 + ["look"] and [stage.name for stage in resumed.done] == ["make", "look"]


def test_another_key_or_a_lost_product_makes_a_stage_run_again(tmp_path: Path) -> None:
    log: list[str] = []
    job(tmp_path, log)
    job(tmp_path, log, key="another", resume=True)
    (tmp_path / "product").unlink()
    job(tmp_path, log, key="another", resume=True)
    assert log == ["make", "look"] * 3


def test_a_stage_that_failed_is_not_finished(tmp_path: Path) -> None:
    def fail() -> str:
        raise ValueError("no task can be had")

    stages = Stages(tmp_path, total=1, console=Console(quiet=True))
    with pytest.raises(ValueError, match="no task"):
        stages.run("make", fail, products=("product",))
    log: list[str] = []
    (tmp_path / "product").touch()
    job(tmp_path, log, resume=True)
    assert log == ["make", "look"]
