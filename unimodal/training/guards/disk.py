"""Room on the disk for the next checkpoint."""

import shutil
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from unimodal.training.guards import Guard

EVERY = 30.0
"""Seconds between two looks."""


class ScarceDisk(UserWarning):
    """The next checkpoint would not fit."""


@final
class DiskSpace(Guard):
    """Warns once as soon as a checkpoint would not fit any more, while there is time to make room.

    If there is none when it is to be written, `require_room` ends the run before anything of it is.
    """

    def __init__(self) -> None:
        self._looked = 0.0
        self._warned = False

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        now = time.monotonic()
        if self._warned or not trainer.is_global_zero or now - self._looked < EVERY:
            return
        self._looked = now
        folder = Path(trainer.default_root_dir)
        needed = checkpoint_bytes(trainer)
        if room(folder) < needed:
            self._warned = True
            rank_zero_warn(f"{folder}: {shortage(needed, folder)}", category=ScarceDisk)


def checkpoint_bytes(trainer: Trainer) -> int:
    """What a checkpoint of this process holds: weights, and what the optimisers keep beside them."""
    tensors = list(trainer.lightning_module.state_dict().values())
    for optimizer in trainer.optimizers:
        tensors += [value for state in optimizer.state.values() for value in _tensors(state.values())]
    return sum({tensor.data_ptr(): tensor.nbytes for tensor in tensors}.values())


def require_room(folder: Path, needed: int) -> None:
    """Raises OSError that names the folder, what is needed and what is free where the disk has not that much."""
    if room(folder) < needed:
        raise OSError(f"{folder}: {shortage(needed, folder)}")


def shortage(needed: int, folder: Path) -> str:
    """In words, in MB of a million bytes."""
    return f"a checkpoint needs {needed / 1e6:,.1f} MB, and {room(folder) / 1e6:,.1f} MB of the disk are free"


def room(folder: Path) -> int:
    """Free bytes for this user on the disk of a folder, which may not be there yet."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free


def _tensors(values: Iterable[Any]) -> list[torch.Tensor]:
    return [value for value in values if isinstance(value, torch.Tensor)]
