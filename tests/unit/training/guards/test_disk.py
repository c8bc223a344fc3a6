"""A disk that fills: warned of ahead, one line at the end, and the checkpoint before stays whole."""

import os
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.training.conftest import Fit
from unimodal.training.guards import disk
from unimodal.training.guards.disk import ScarceDisk, room

SHORT = ("--trainer.val_check_interval", "100", "--checkpoint.every", "2")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system of 8 MB in the run's place: a checkpoint of the tiny model takes about 2 MB."""
    folder = tmp_path / "run"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    if os.geteuid() or shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_ends_a_run_in_one_line_and_keeps_the_checkpoint_before(
    fit: Fit, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk, "EVERY", 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScarceDisk)
        fit(*SHORT, "--trainer.max_steps", "2")
        (good,) = (small_disk / "checkpoints").glob("step-*")
        kept = {file.name: file.read_bytes() for file in good.iterdir()}
        (small_disk / "ballast").write_bytes(bytes(room(small_disk) - 1_000_000))
        line = rf"^{small_disk}.*checkpoint.*needs [\d.]+ MB, and [\d.]+ MB of the disk are free"
        with pytest.raises(OSError, match=line) as full:
            fit(*SHORT, "--trainer.max_steps", "9", "--ckpt_path", "last")
        assert "\n" not in str(full.value)
    assert [path.name for path in (small_disk / "checkpoints").iterdir()] == [good.name]
    assert {file.name: file.read_bytes() for file in good.iterdir()} == kept
    (small_disk / "ballast").unlink()
    fit(*SHORT, "--trainer.max_steps", "4", "--ckpt_path", "last")


def test_a_checkpoint_that_will_not_fit_is_warned_of_once(fit: Fit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "EVERY", 0.0)
    monkeypatch.setattr(disk, "room", lambda folder: 100_000)
    with pytest.warns(ScarceDisk, match=r"a checkpoint needs [\d.]+ MB, and 0.1 MB of the disk are free") as heard:
        with pytest.raises(OSError, match="needs"):
            fit(*SHORT, "--trainer.max_steps", "4")
    assert len([warning for warning in heard if warning.category is ScarceDisk]) == 1
