"""What a run leaves for use: a model's folder, or an adapter's."""

from pathlib import Path
from typing import final

from lightning.pytorch import Callback, LightningModule, Trainer

from unimodal.training.data.module import TaskData
from unimodal.training.distributed.gathering import whole, whole_weights
from unimodal.training.module import Learner


@final
class Export(Callback):
    """Writes the model and its processor, or the adapter alone, into the run's folder when training is over.

    The first process writes; where parameters are cut among processes, all of them gather what is written. A run that
    was killed between its last checkpoint and this goes on with no step left to train: then it is written too.
    """

    def __init__(self) -> None:
        self._written = False

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._write(trainer, pl_module)
        self._written = True

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not self._written:
            self._write(trainer, pl_module)

    def _write(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by the trainer, not declared
        assert isinstance(pl_module, Learner) and isinstance(data, TaskData)
        folder, model, writes = Path(trainer.default_root_dir), pl_module.model, trainer.is_global_zero
        if pl_module.adapter is not None:
            with whole(parameter for parameter in model.parameters() if parameter.requires_grad):
                if writes:
                    pl_module.adapter.save(model, folder)
            return
        weights = whole_weights(model, keep=writes)
        if writes:
            model.save_pretrained(folder, state_dict=weights)
            data.processor.save_pretrained(folder)
