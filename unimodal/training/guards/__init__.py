"""Guards: what watches a run, so that whatever ends it says why in one line and costs no finished work."""

from abc import ABC, abstractmethod
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer


class Guard(Callback, ABC):
    """Watches a run of training.

    Laws: a run that is well takes the same steps with a guard as without it, and hears nothing of it; what ends a run
    is a ValueError or OSError of one line, or `Stopped`; what is only suspicious is one line of warning, said once.
    """

    @abstractmethod
    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Looks at the run after each batch, before checkpoints are written."""
