"""`last.ckpt`: plain tensors and numbers, readable with `weights_only=True`, from which a run goes on."""

from pathlib import Path
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer

LAST = "last.ckpt"


@final
class SaveLast(Callback):
    """Writes the run's state every `every` steps and after the last one, over the one before."""

    def __init__(self, *, every: int = 500) -> None:
        self.every = every
        self._saved = -1

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        stepped = trainer.global_step > self._saved
        if stepped and trainer.global_step and trainer.global_step % self.every == 0:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step > self._saved:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        self._saved = trainer.global_step
        trainer.save_checkpoint(Path(trainer.default_root_dir) / LAST)
