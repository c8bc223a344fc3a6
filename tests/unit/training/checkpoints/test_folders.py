"""Folders of checkpoints: whole or absent, the newest good one found, old ones removed after newer ones stand."""

import os
import threading
from pathlib import Path

import pytest

from unimodal.training.checkpoints.folders import CheckpointFolders, report_failure, write_part
from unimodal.training.checkpoints.manifest import FILE, Manifest
from unimodal.training.checkpoints.saving import find_checkpoint


def save(folders: CheckpointFolders, step: int, content: bytes = b"weights") -> Path:
    staged = folders.staged(step)
    staged.mkdir(parents=True)
    (staged / "weights").write_bytes(content)
    write_part(staged, 0, ["weights"])
    return folders.commit(step, ranks=[0])


def names(folders: CheckpointFolders) -> list[str]:
    return sorted(path.name for path in folders.folder.iterdir())


def test_a_checkpoint_appears_whole(tmp_path: Path) -> None:
    folders = CheckpointFolders(tmp_path)
    folders.clear()
    made = save(folders, 12)
    assert made == tmp_path / "checkpoints/step-000012" and names(folders) == ["step-000012"]
    manifest = Manifest.read(made)
    assert (manifest.number, manifest.step, manifest.files.keys()) == (0, 12, {"weights"})
    assert sorted(path.name for path in made.iterdir()) == [FILE, "weights"]
    manifest.check(made)


def test_the_newest_stay(tmp_path: Path) -> None:
    folders = CheckpointFolders(tmp_path, keep=2)
    for step in range(2, 12, 2):
        save(folders, step)
    assert names(folders) == ["step-000008", "step-000010"]
    many = CheckpointFolders(tmp_path, keep=9)
    for step in (12, 14):
        save(many, step)
    assert len(names(many)) == 4
    assert save(CheckpointFolders(tmp_path, keep=1), 16).name == "step-000016" and names(folders) == ["step-000016"]


DAMAGES = {
    "changed": (lambda folder: (folder / "weights").write_bytes(b"Weights"), r"weights: was changed after"),
    "cut off": (lambda folder: os.truncate(folder / "weights", 3), r"weights: has 3 bytes where 7 were written"),
    "file lost": (lambda folder: (folder / "weights").unlink(), r"weights: is missing"),
    "no manifest": (lambda folder: (folder / FILE).unlink(), r"manifest.json: not there"),
    "torn manifest": (lambda folder: os.truncate(folder / FILE, 40), r"manifest.json: is no manifest of a checkpoint"),
    "strange manifest": (lambda folder: (folder / FILE).write_text("[[1]]"), r"manifest.json: is no manifest"),
    "manifest of others": (
        lambda folder: (folder / FILE).write_text((folder / FILE).read_text().replace("weights", "../weights")),
        r"manifest.json: is no manifest",
    ),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_damaged_one_is_passed_over_and_named(name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage, message = DAMAGES[name]
    folders = CheckpointFolders(tmp_path, keep=2)
    good, torn = save(folders, 2), save(folders, 4)
    damage(torn)
    assert find_checkpoint("last", tmp_path) == good
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("passed over: ")
    with pytest.raises((ValueError, FileNotFoundError), match=message):
        find_checkpoint(str(torn), tmp_path)
    assert names(folders) == ["step-000002", "step-000004"]  # never removed before a newer good one stands
    again = save(folders, 4)  # a resumed run takes the same step again
    assert again.name == "step-000004.2" and good.is_dir() == (name != "changed")  # bytes are not read to remove
    assert find_checkpoint("last", tmp_path) == again
    last = save(folders, 6)
    assert find_checkpoint("last", tmp_path) == last and not good.exists()


def test_a_run_that_starts_anew_is_younger_than_what_it_finds(tmp_path: Path) -> None:
    folders = CheckpointFolders(tmp_path, keep=2)
    save(folders, 100)
    new = save(folders, 2)
    assert find_checkpoint("last", tmp_path) == new
    save(folders, 4)
    assert names(folders) == ["step-000002", "step-000004"]


def test_nothing_whole_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"checkpoints: no whole checkpoint to go on from"):
        find_checkpoint("last", tmp_path)
    with pytest.raises(FileNotFoundError, match=r"nowhere: no such checkpoint to go on from"):
        find_checkpoint(str(tmp_path / "nowhere"), tmp_path)


def test_rests_of_a_killed_run_are_removed(tmp_path: Path) -> None:
    folders = CheckpointFolders(tmp_path)
    good = save(folders, 2)
    for rest in (folders.staged(4), folders.folder / ".step-000000.removed"):
        rest.mkdir()
        (rest / "weights").write_bytes(b"wei")
    assert find_checkpoint("last", tmp_path) == good
    folders.clear()
    assert names(folders) == [good.name]


def test_process_0_waits_for_the_files_of_all(tmp_path: Path) -> None:
    folders = CheckpointFolders(tmp_path)
    staged = folders.staged(2)
    staged.mkdir(parents=True)
    (staged / "latest").write_bytes(b"checkpoint")  # by no rank's list
    for rank in (0, 1):
        (staged / f"shard-{rank}").write_bytes(bytes(rank + 1))
    write_part(staged, 0, ["shard-0"])
    late = threading.Timer(0.2, write_part, (staged, 1, ["shard-1"]))
    late.start()
    made = folders.commit(2, ranks=[0, 1])
    late.join()
    files = Manifest.read(made).files
    assert {name: entry.bytes for name, entry in files.items()} == {"latest": 10, "shard-0": 1, "shard-1": 2}


def test_a_rank_that_fails_or_is_gone_is_named(tmp_path: Path) -> None:
    folders = CheckpointFolders(tmp_path)
    staged = folders.staged(2)
    staged.mkdir(parents=True)
    folders.patience = 0.05
    with pytest.raises(OSError, match=r"process 1 has not written its files; do all machines share this folder"):
        folders.commit(2, ranks=[1])
    report_failure(staged, 1, OSError(28, "No space left on device"))
    with pytest.raises(OSError, match=r"process 1: .*No space left on device"):
        folders.commit(2, ranks=[1])
    assert names(folders) == [staged.name]


def test_one_checkpoint_is_kept_at_least(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"checkpoint.keep: expected 1 or more, got 0"):
        CheckpointFolders(tmp_path, keep=0)
