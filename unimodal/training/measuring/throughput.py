"""How much of what the machine can do a run makes use of."""

import time
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console

from unimodal.measuring.flops import BACKWARD, ModelFlops, Peak, peak
from unimodal.training.module import Learner


@final
class Throughput(Callback):
    """Logs each step's model-FLOP utilisation, and says at the end what it was over the whole run of this process.

    Operations are those of `ModelFlops`, forward and backward (only that of inputs where an adapter alone learns), over
    all the time between two steps but validation: waiting for data, logging and saving count against it.
    """

    def __init__(self) -> None:
        self._flops = ModelFlops(label=0.0)
        self._peak = Peak(1.0, "")
        self._share = 0.0
        self._began = 0.0
        self._step = 0.0  # of the step under way
        self._whole, self._seconds, self._entries = 0.0, 0.0, 0

    def setup(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        """While every weight is whole: a strategy may cut them up."""
        if stage != "fit":
            return
        assert isinstance(pl_module, Learner)
        self._flops = ModelFlops.of(pl_module.model)
        self._share = 1 + (BACKWARD if pl_module.adapter is None else BACKWARD / 2)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        widths = {"bf16": torch.bfloat16, "16": torch.float16}
        self._peak = peak(pl_module.device, widths.get(str(trainer.precision).partition("-")[0], torch.float32))
        self._began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._step += self._share * self._flops.forward(batch)
        self._entries += batch.num_entries
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return
        now = time.perf_counter()
        pl_module.log("model_flop_utilisation", self._step / (now - self._began) / self._peak.flops)
        self._whole, self._seconds = self._whole + self._step, self._seconds + now - self._began
        self._step, self._began = 0.0, now

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = time.perf_counter()

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and self._seconds:
            console = Console(stderr=True, highlight=False, soft_wrap=True)
            console.print(self.summary())

    def summary(self) -> str:
        """One line on the run so far."""
        utilisation = self._whole / self._seconds / self._peak.flops
        return (
            f"{self._entries / self._seconds:,.0f} entries/s; model-FLOP utilisation {utilisation:.1%} of"
            f" {self._peak.flops / 1e9:,.1f} GFLOP/s ({self._peak.source})"
        )
