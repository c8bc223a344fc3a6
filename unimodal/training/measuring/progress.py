"""How far a run is: a bar on a terminal, a plain line now and then where there is none."""

import time
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

QUIET_SECONDS = 10.0
"""Between two plain lines."""
SMOOTHING = 0.95
"""Of the loss that is shown."""


@final
class ProgressDisplay(Callback):
    """Steps, loss, entries per second, learning rate, share of the machine's peak and time left."""

    def __init__(self) -> None:
        self.console = Console(stderr=True)
        self._bar: Progress | None = None
        self._loss: float | None = None
        self._spoken = 0.0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._spoken = time.monotonic()
        if self.console.is_terminal and trainer.is_global_zero:
            columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console)
            self._bar.add_task("training", total=_steps(trainer), completed=trainer.global_step)
            self._bar.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        accumulates = (batch_idx + 1) % trainer.accumulate_grad_batches
        if not trainer.is_global_zero or accumulates:
            return
        metrics = trainer.callback_metrics
        loss = float(metrics["train/loss"])
        self._loss = loss if self._loss is None else SMOOTHING * self._loss + (1 - SMOOTHING) * loss
        speed = float(metrics.get("entries_per_second", 0))
        says = f"loss {self._loss:.3f}  {speed:,.0f} entries/s  rate {float(metrics['learning_rate']):.1e}"
        says += f"  {float(metrics.get('model_flop_utilisation', 0)):.0%} of peak"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=trainer.global_step, description=says)
        elif time.monotonic() - self._spoken > QUIET_SECONDS:
            self._spoken = time.monotonic()
            self.console.print(f"step {trainer.global_step}{_of(trainer)}  {says}", highlight=False, soft_wrap=True)

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        loss = trainer.callback_metrics.get("validation/loss")
        if loss is not None and trainer.is_global_zero:
            self.console.print(
                f"step {trainer.global_step}{_of(trainer)}  validation loss {float(loss):.3f}", highlight=False
            )

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._stop()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _steps(trainer: Trainer) -> int | None:
    """The steps of the whole run; None where time alone ends it."""
    return trainer.max_steps if trainer.max_steps > 0 else None


def _of(trainer: Trainer) -> str:
    steps = _steps(trainer)
    return "" if steps is None else f" of {steps}"
