"""What Lightning and DeepSpeed would write, taken as copies in memory for a writer."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from lightning.fabric.plugins import CheckpointIO

from unimodal.training.checkpoints.states import TREE_FILE, Snapshot, read_state, write_state

Pending = Callable[[Path], list[str]]
"""Writes copied state into a folder; gives the names of the files."""


@final
class CheckpointFiles(CheckpointIO):
    """Lightning's seam for files: `save_checkpoint` copies, and what it copied is written when the writer likes."""

    def __init__(self) -> None:
        self._pending: list[Pending] | None = None

    @contextmanager
    def collecting(self) -> Iterator[list[Pending]]:
        """What is saved meanwhile, by this process."""
        self._pending = []
        try:
            yield self._pending
        finally:
            self._pending = None

    def add(self, pending: Pending) -> None:
        assert self._pending is not None, "checkpoints are saved by the callback SaveCheckpoints alone"
        self._pending.append(pending)

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any | None = None) -> None:
        weights = Snapshot(checkpoint["state_dict"])
        rest = Snapshot({name: value for name, value in checkpoint.items() if name != "state_dict"})
        self.add(lambda folder: write_state(folder, weights, rest))

    def load_checkpoint(
        self, path: Any, map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        if not (Path(path) / TREE_FILE).is_file():
            raise ValueError(f"{path}: holds the shards of a DeepSpeed run, which goes on under DeepSpeed alone")
        weights, rest = read_state(Path(path))
        return {"state_dict": weights, **rest}

    def remove_checkpoint(self, path: Any) -> None:
        shutil.rmtree(path)
