"""The checkpoints of a run as folders: staged under a hidden name, committed by a rename, found by their manifests."""

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import final

from unimodal.training.checkpoints.manifest import Entry, Manifest, sync, write_durably

NAME = "checkpoints"
"""The folder in a run's folder."""
PATIENCE = 600.0
"""Seconds that process 0 waits for the files of the others."""
_PART = ".part-{:05}.json"


@final
class CheckpointFolders:
    """What stands in `checkpoints/` of a run. At least one good checkpoint stays, once there was one.

    A kill at any moment leaves whole checkpoints and hidden rests, which `clear` removes when the run goes on.
    """

    def __init__(self, run: Path, *, keep: int = 2) -> None:
        if keep < 1:
            raise ValueError(f"checkpoint.keep: expected 1 or more, got {keep}")
        self.folder, self.keep, self.patience = run / NAME, keep, PATIENCE

    def clear(self) -> None:
        """Makes the folder, and removes what a killed run left unfinished in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for rest in self.folder.glob(".*"):
            shutil.rmtree(rest)

    def staged(self, step: int) -> Path:
        """Where the files of a step's checkpoint are written."""
        return self.folder / f".step-{step:06}.staged"

    def commit(self, step: int, ranks: Sequence[int]) -> Path:
        """Makes a staged folder the newest checkpoint when the files of all ranks are there; removes old ones.

        Raises OSError where a rank could not write, or did not in ten minutes.
        """
        staged = self.staged(step)
        files: dict[str, Entry] = {}
        for rank in ranks:
            files |= self._await_part(staged, rank)
        for file in sorted(_files_below(staged)):
            if (name := file.relative_to(staged).as_posix()) not in files:
                sync(file)
                files[name] = Entry.of(file)
        for folder in {(staged / name).parent for name in files} - {staged}:
            sync(folder)
        Manifest(self._next_number(), step, dict(sorted(files.items()))).write(staged)
        sync(staged)
        target = self._free_name(step)
        staged.rename(target)
        sync(self.folder)
        self._prune(target)
        return target

    def find_latest(self, *, most_steps: int | None = None) -> tuple[Path | None, list[str]]:
        """The newest good checkpoint, every byte of it checked, and a line about each newer or unreadable one.

        `most_steps`: those of a run that had taken more are passed over.
        """
        problems = []
        manifests = []
        for folder in self._visible():
            try:
                manifest = Manifest.read(folder)
            except (ValueError, OSError) as error:
                problems.append(str(error))
            else:
                manifests += [(manifest, folder)] if most_steps is None or manifest.step <= most_steps else []
        for manifest, folder in sorted(manifests, key=lambda found: found[0].number, reverse=True):
            try:
                manifest.check(folder)
            except (ValueError, OSError) as error:
                problems.append(str(error))
            else:
                return folder, problems
        return None, problems

    def _await_part(self, staged: Path, rank: int) -> dict[str, Entry]:
        """The files of a rank. Ranks meet in the folder, since a collective would meet those of the training steps."""
        part = staged / _PART.format(rank)
        began = time.monotonic()
        while not part.is_file():
            if time.monotonic() - began > self.patience:
                raise OSError(f"{staged}: process {rank} has not written its files; do all machines share this folder?")
            time.sleep(0.005)
            sync(staged)  # a network file system looks again
        content = json.loads(part.read_bytes())
        if "error" in content:
            raise OSError(f"process {rank}: {content['error']}")
        part.unlink()
        return {name: Entry(**entry) for name, entry in content["files"].items()}

    def _visible(self) -> list[Path]:
        return sorted(folder for folder in self.folder.glob("step-*") if folder.is_dir())

    def _numbered(self) -> dict[Path, int]:
        """The number of each checkpoint that seems whole, and -1 for what is torn; bytes are not read."""
        numbers = {}
        for folder in self._visible():
            try:
                manifest = Manifest.read(folder)
                manifest.check_sizes(folder)
            except (ValueError, OSError):
                numbers[folder] = -1
            else:
                numbers[folder] = manifest.number
        return numbers

    def _next_number(self) -> int:
        return 1 + max(self._numbered().values(), default=-1)

    def _free_name(self, step: int) -> Path:
        """`step-000123`, or `step-000123.2` and so on where another run, or a torn checkpoint, has the name."""
        name = self.folder / f"step-{step:06}"
        number = 1
        while (free := name if number == 1 else name.with_name(f"{name.name}.{number}")).exists():
            number += 1
        return free

    def _prune(self, newest: Path) -> None:
        """Removes all but the `keep` newest; `newest`, whose bytes are known, always stays."""
        numbers = {folder: number for folder, number in self._numbered().items() if folder != newest}
        whole = sorted((folder for folder in numbers if numbers[folder] >= 0), key=lambda folder: numbers[folder])
        kept = whole[max(0, len(whole) - (self.keep - 1)) :]
        for folder in numbers:
            if folder not in kept:
                hidden = folder.with_name(f".{folder.name}.removed")
                folder.rename(hidden)  # a kill while it is removed leaves no torn checkpoint
                shutil.rmtree(hidden)


def write_part(staged: Path, rank: int, names: Sequence[str]) -> None:
    """Tells process 0 which files of a staged folder this rank has written; they are on the disk on return."""
    files = {}
    for name in names:
        sync(staged / name)
        files[name] = asdict(Entry.of(staged / name))
    _say(staged, rank, {"files": files})


def report_failure(staged: Path, rank: int, error: Exception) -> None:
    """Tells process 0 that this rank has no files to wait for."""
    _say(staged, rank, {"error": str(error)})


def _say(staged: Path, rank: int, content: object) -> None:
    part = staged / _PART.format(rank)
    draft = part.with_suffix(".draft")
    write_durably(draft, json.dumps(content).encode())
    draft.rename(part)


def _files_below(folder: Path) -> Iterator[Path]:
    return (file for file in folder.rglob("*") if file.is_file() and not file.name.startswith("."))
