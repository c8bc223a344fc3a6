"""The callback that saves a run's checkpoints, and how the one to go on from is found."""

import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from safetensors import SafetensorError

from unimodal.training.checkpoints import Writer
from unimodal.training.checkpoints.background import Background
from unimodal.training.checkpoints.files import CheckpointFiles, Pending
from unimodal.training.checkpoints.folders import CheckpointFolders, report_failure, write_part
from unimodal.training.checkpoints.manifest import Manifest
from unimodal.training.checkpoints.progress import between_steps, random_states, set_random_states
from unimodal.training.distributed.collectives import gather
from unimodal.training.guards.disk import checkpoint_bytes, require_room, shortage

LAST = "last"
"""What `--ckpt_path` calls the newest good checkpoint of a run's folder."""
SHORT_PATIENCE = 10.0
"""Seconds for the other processes' files when training has failed: one of them may be gone."""


@final
class SaveCheckpoints(Callback):
    """Saves the whole run every `every` steps and after its last one; the `keep` newest checkpoints stay.

    A step is saved before the next one begins, when its metrics are in the file and its validation is over. All
    processes take part; under DeepSpeed each writes its shards.
    """

    def __init__(self, *, every: int = 500, keep: int = 2, writer: Writer | None = None) -> None:
        """`writer` says when files are written: in the background where it is not given."""
        if every < 1:
            raise ValueError(f"checkpoint.every: expected 1 or more, got {every}")
        self.every, self.keep = every, keep
        self.writer = Background() if writer is None else writer
        self._files = CheckpointFiles()
        self._folders = CheckpointFolders(Path(), keep=keep)
        self._saved = 0
        self._random_states: Sequence[dict[str, Any]] = ()

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        trainer.strategy.checkpoint_io = self._files

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._random_states = checkpoint["random_states"]

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        checkpoint["random_states"] = gather(random_states())
        checkpoint["loops"] = between_steps(checkpoint["loops"])

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._folders = CheckpointFolders(Path(trainer.default_root_dir), keep=self.keep)
        self._saved = trainer.global_step
        if trainer.is_global_zero:
            self._folders.clear()
        trainer.strategy.barrier("checkpoints")
        if len(self._random_states) == trainer.world_size:
            set_random_states(self._random_states[trainer.global_rank])

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self.writer.check()
        if trainer.global_step > self._saved and trainer.global_step % self.every == 0:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step > self._saved:
            self._save(trainer)
        self.writer.wait()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._folders.patience = SHORT_PATIENCE
        with suppress(OSError, ValueError):  # what stopped the run is what is reported
            self.writer.wait()

    def _save(self, trainer: Trainer) -> None:
        self.writer.wait()  # one copy of the state at a time
        step, rank = trainer.global_step, trainer.global_rank
        folders, staged = self._folders, self._folders.staged(trainer.global_step)
        needed = checkpoint_bytes(trainer)
        require_room(folders.folder, needed)
        if trainer.is_global_zero:
            staged.mkdir()
        with self._files.collecting() as pending:
            trainer.save_checkpoint(staged)
        ranks = [other for other, has_files in enumerate(gather(bool(pending))) if has_files]
        self._saved = step

        def write() -> None:
            try:
                _write_files(staged, rank, pending)
                if rank == 0:
                    folders.commit(step, ranks)
            except (OSError, ValueError, SafetensorError) as error:
                reason = f"{' '.join(str(error).split())} ({shortage(needed, folders.folder)})"
                if rank == 0:
                    shutil.rmtree(staged, ignore_errors=True)
                raise OSError(f"{folders.folder}: the checkpoint of step {step} was not written: {reason}") from error

        if pending:
            self.writer.write(write)


def _write_files(staged: Path, rank: int, pending: Sequence[Pending]) -> None:
    try:
        write_part(staged, rank, [name for write in pending for name in write(staged)])
    except (OSError, ValueError, SafetensorError) as error:
        with suppress(OSError):
            report_failure(staged, rank, error)
        raise


def find_checkpoint(path: str, run: Path) -> Path:
    """The checkpoint that `path` names, or the newest good one of the run's folder for `last`; its bytes are checked.

    What is torn or changed is passed over with a line that says so. Raises FileNotFoundError or ValueError.
    """
    if path != LAST:
        if not Path(path).is_dir():
            raise FileNotFoundError(f"{path}: no such checkpoint to go on from")
        Manifest.read(Path(path)).check(Path(path))
        return Path(path)
    folders = CheckpointFolders(run)
    latest, problems = folders.find_latest()
    console = Console(stderr=True, highlight=False, soft_wrap=True)
    for problem in problems:
        console.print(f"passed over: {problem}")
    if latest is None:
        raise FileNotFoundError(f"{folders.folder}: no whole checkpoint to go on from")
    return latest
