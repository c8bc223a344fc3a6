"""Signals that ask a run to stop: it ends after a whole step, which is saved."""

import os
import signal
import sys
import threading
from types import FrameType
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer

from unimodal.training.guards import Guard

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)


@final
class Stopped(SystemExit):
    """A signal ended the run; the status is 128 + the signal's number, as in shells."""

    def __init__(self, received: signal.Signals) -> None:
        super().__init__(128 + received)


@final
class StopSignals(Guard):
    """SIGINT (Ctrl-C), SIGTERM and SIGUSR1 (`sbatch --signal=USR1@120`) end a run, which goes on from `last` bit-equal.

    The step under way is finished and saved; a validation is not begun. All processes of a run stop after the same
    step, whichever of them got the signal. A second signal ends the process at once, and so does what takes more than
    `grace` seconds, a little less than those that the cluster gives: the checkpoint before stays.
    """

    def __init__(self, *, grace: float = 30.0) -> None:
        if grace <= 0:
            raise ValueError(f"stopping.grace: expected seconds above 0, got {grace}")
        self.grace = grace
        self._received: signal.Signals | None = None
        self._agreed = False
        self._deadline: threading.Timer | None = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Takes the place of Lightning's handlers, which call the other processes whatever these are doing.

        The trainer puts those from before the run back when it is over.
        """
        self._received, self._agreed = None, False
        if threading.current_thread() is threading.main_thread():
            for number in SIGNALS:
                signal.signal(number, self._receive)
        if trainer.received_sigterm:  # while the run was being set up
            self._receive(signal.SIGTERM, None)

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches:
            return  # the step is not whole yet
        self._agreed = self._received is not None
        if trainer.world_size > 1:
            self._agreed = trainer.strategy.reduce_boolean_decision(self._agreed, all=False)
        if self._agreed:
            trainer.should_stop = True
            trainer.limit_val_batches = 0

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Checkpoints stand before guards among the callbacks, an exported model after them."""
        if not self._agreed:
            return
        received = self._received or signal.SIGTERM  # another process may have got it
        self._cancel()
        if trainer.is_global_zero:
            step = trainer.global_step
            say(f"{received.name}: stopped after step {step}, which is saved; --ckpt_path last goes on from there")
        raise Stopped(received)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        self._cancel()

    def teardown(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        self._cancel()

    def _receive(self, number: int, frame: FrameType | None) -> None:
        received = signal.Signals(number)
        if self._received is not None:
            self._end_at_once(f"{received.name} after {self._received.name}")
        self._received = received
        why = f"{received.name}: the step was not finished and saved in {self.grace:g} s"
        self._deadline = threading.Timer(self.grace, self._end_at_once, (why,))
        self._deadline.daemon = True
        self._deadline.start()

    def _end_at_once(self, why: str) -> None:
        assert self._received is not None
        say(f"{why}: ended at once; --ckpt_path last goes on from the checkpoint before")
        os._exit(128 + self._received)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None


def ignore_in_worker(worker: int) -> None:
    """Lets a data worker outlive the signals that are sent to a whole group; it ends with its run.

    Without it the batch that is read ahead would be missing when the run stops in order.
    """
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def say(line: str) -> None:
    """One line to the user, from a signal's handler or a thread too, where a stream may be locked."""
    sys.stderr.flush()
    os.write(2, f"unimodal: {line}\n".encode())
