"""A DeepSpeed run's shards in checkpoints that are whole or absent."""

import io
import pickle
from pathlib import Path
from typing import Any, final

import torch
from deepspeed.runtime.checkpoint_engine.checkpoint_engine import CheckpointCommitInfo, CheckpointEngine
from deepspeed.runtime.fp16.loss_scaler import DynamicLossScaler, LossScaler
from deepspeed.runtime.zero.config import ZeroStageEnum
from deepspeed.utils.tensor_fragment import fragment_address
from lightning.pytorch.strategies import DeepSpeedStrategy

from unimodal.training.checkpoints.files import CheckpointFiles
from unimodal.training.checkpoints.manifest import write_durably

KNOWN = [DynamicLossScaler, LossScaler, ZeroStageEnum, fragment_address]
"""Classes of DeepSpeed, beside plain values and tensors, that its files hold; no other is built when they are read."""


@final
class ShardFiles(CheckpointEngine):
    """DeepSpeed's seam for files: each process takes a copy of its shards, which a writer writes later.

    The files keep DeepSpeed's names and format, which its own tools read. It marks no folder of its own as finished:
    that is done when the shards of all processes are written (`folders.py`).
    """

    def __init__(self, files: CheckpointFiles) -> None:
        super().__init__()
        self._files = files
        self._folder = Path()

    def create(self, info: CheckpointCommitInfo) -> None:
        self._folder = Path(info.save_dir)

    def save(self, state_dict: Any, path: str) -> None:
        name = Path(path).relative_to(self._folder).as_posix()
        copied = io.BytesIO()
        torch.save(state_dict, copied)

        def write(folder: Path) -> list[str]:
            write_durably(folder / name, copied.getbuffer())
            return [name]

        self._files.add(write)

    def load(self, path: str, map_location: Any = None) -> Any:
        """Builds plain values, tensors and what `KNOWN` has. Raises ValueError for a file that asks for more."""
        try:
            with torch.serialization.safe_globals(KNOWN):
                return torch.load(path, map_location=map_location, weights_only=True)
        except (pickle.UnpicklingError, RuntimeError) as error:
            raise ValueError(f"{path}: is no shard of a DeepSpeed run, or holds more than its state") from error

    def commit(self, info: CheckpointCommitInfo) -> bool:
        return True


def take_files(strategy: DeepSpeedStrategy) -> None:
    """Lets the engine that a strategy has set up hand its files to the callback that saves checkpoints."""
    files = strategy.checkpoint_io
    assert isinstance(files, CheckpointFiles)
    strategy.deepspeed_engine.checkpoint_engine = ShardFiles(files)
