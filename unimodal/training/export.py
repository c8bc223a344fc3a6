"""What a run leaves for use: a model's folder, or an adapter's."""

from pathlib import Path
from typing import final

from lightning.pytorch import Callback, LightningModule, Trainer

from unimodal.training.data import TaskData
from unimodal.training.module import Learner


@final
class Export(Callback):
    """Writes the model and its processor, or the adapter alone, into the run's folder when training is over."""

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = trainer.datamodule  # type: ignore[attr-defined]  # set by the trainer, not declared
        assert isinstance(pl_module, Learner) and isinstance(data, TaskData)
        if not trainer.is_global_zero:
            return
        folder = Path(trainer.default_root_dir)
        if pl_module.adapter is not None:
            pl_module.adapter.save(pl_module.model, folder)
            return
        pl_module.model.save_pretrained(folder)
        data.processor.save_pretrained(folder)
