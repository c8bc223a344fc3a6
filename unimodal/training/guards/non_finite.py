"""Values that are not finite: the run ends before they reach the weights, and says where they come from."""

import math
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import LightningModule, Trainer
from torch import Tensor

from unimodal.batching import Batch
from unimodal.training.guards import Guard
from unimodal.training.measuring.finiteness import first_non_finite
from unimodal.training.module import Learner
from unimodal.training.replay import COMMAND, CONFIG, write_replay

FOLDER = "non_finite"


@final
class NonFinite(Guard):
    """Looks at the loss and at the gradients' norm, which clipping needs anyway, and at nothing else in a good step.

    In a bad one the batch is run again with hooks and the same noise: the line names the layer in which the first
    non-finite value appears, and the command that shows it again. Under DeepSpeed, which keeps gradients to itself,
    only the loss is looked at. Where a loss is scaled for float16, the scaler skips such steps by itself.
    """

    def __init__(self) -> None:
        self._batches: list[tuple[Batch, int]] = []
        self._loss_is_finite = True

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        self._batches.append((batch, 0))

    def on_before_backward(self, trainer: Trainer, pl_module: LightningModule, loss: Tensor) -> None:
        self._batches[-1] = (self._batches[-1][0], torch.initial_seed())  # training_step has set it
        self._loss_is_finite &= math.isfinite(float(loss.detach()))

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Any) -> None:
        """After the backward pass, for then the gradients of all processes tell of a bad batch of any."""
        assert isinstance(pl_module, Learner)
        norm = pl_module.measure_gradients()
        if trainer.scaler is None and not (self._loss_is_finite and math.isfinite(norm)):
            raise ValueError(self._report(trainer, pl_module))

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            self._batches, self._loss_is_finite = [], True

    def _report(self, trainer: Trainer, learner: Learner) -> str:
        step = trainer.global_step
        folder = Path(trainer.default_root_dir) / FOLDER / f"step-{step:06}"
        if trainer.world_size > 1:
            folder = folder.with_name(f"{folder.name}-rank-{trainer.global_rank}")
        for batch, seed in self._batches:
            context = trainer.precision_plugin.forward_context()
            found = first_non_finite(learner.model, learner.objective, batch, seed, context=context)
            if found is not None:
                line = f"step {step}: the first non-finite value is in {found}"
                try:
                    config = Path(trainer.default_root_dir) / CONFIG
                    write_replay(folder, learner, batch, config=config, notes={"step": step, "seed": seed})
                except OSError as error:
                    return f"{line}; the batch could not be saved in {folder}: {error}"
                return f"{line}; to see it again: {COMMAND} {folder}"
        others = "another's do" if trainer.world_size > 1 else "and did not again: is the hardware sound?"
        return f"step {step}: gradients are not finite, but this process's batches give no such values, {others}"
