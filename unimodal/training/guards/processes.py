"""Processes that are gone: a worker that reads data, or another process of the run."""

import os
import re
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.strategies.launchers import _SubprocessScriptLauncher
from torch.distributed.distributed_c10d import _get_default_store

from unimodal.cli import USER_ERROR
from unimodal.training.distributed.heartbeats import Heartbeats
from unimodal.training.guards import Guard
from unimodal.training.guards.signals import Stopped, say

WORKER = re.compile(r"DataLoader worker \(pid(?:\(s\))? (?P<pid>[\d, ]+)\) (?P<fate>[^.]*)")
LOST_WORKER = "data worker"
BROKEN = "Connection closed by peer"
EXCHANGE = re.compile("gloo|nccl|ProcessGroup|connection|timed out", re.IGNORECASE)
SLACK = 5.0
"""Seconds that a process whose exchange broke waits, beyond `patience`, for the name of the lost one."""


@final
class LostProcesses(Guard):
    """Ends a run in one line that names the data worker or the process that is gone, with status 2.

    All processes are watched by their heartbeats: one that was killed or hangs is named within about `patience`
    seconds, whatever time the collective operations would wait for it.
    """

    def __init__(self, *, patience: float = 20.0) -> None:
        if patience <= 1:
            raise ValueError(f"processes.patience: expected seconds above 1, got {patience}")
        self.patience = patience
        self._step = 0
        self._heartbeats: Heartbeats | None = None
        self._launcher: Any = None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._step = trainer.global_step
        if trainer.world_size == 1:
            return
        self._launcher = trainer.strategy.launcher
        _dismiss_observer()
        self._heartbeats = Heartbeats(
            _get_default_store(),
            rank=trainer.global_rank,
            ranks=trainer.world_size,
            patience=self.patience,
            report=self._report,
        )
        trainer.strategy.barrier("heartbeats")
        self._heartbeats.start()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._step = trainer.global_step

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._heartbeats is not None:
            trainer.strategy.barrier("the end")  # or the first to leave would be missed by those that still save
            self._heartbeats.stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Finds out what lies behind an error, before this process lets go of the others."""
        reason = " ".join(str(exception).split()) or type(exception).__name__
        if (worker := _find_worker(exception)) is not None:
            reason = (
                f"{LOST_WORKER} {worker['pid']} of process {trainer.global_rank} {worker['fate']} after step"
                f" {self._step}; if memory ran out, lower data.batching.memory or data.batching.workers"
            )
            exception.add_note(reason)
        if self._heartbeats is None:
            return
        if isinstance(exception, Stopped):
            self._heartbeats.stop()
            return
        if EXCHANGE.search(str(exception)):  # somebody is gone; the thread that watches will name him and end this
            self._heartbeats.lost.wait(self.patience + SLACK)
        self._heartbeats.rest()
        self._heartbeats.say_why(reason)

    def _report(self, line: str | None) -> None:
        """From the thread that watches: the main one may hang in an exchange for as long as its timeout is."""
        if line is not None:
            say(f"{line} (after step {self._step}); --ckpt_path last goes on from the last checkpoint")
        if isinstance(self._launcher, _SubprocessScriptLauncher):
            self._launcher.kill(signal.SIGKILL)
        os._exit(USER_ERROR)


@contextmanager
def naming_lost_workers() -> Iterator[None]:
    """Around a run: raises ChildProcessError, in one line, in place of the error that a lost data worker makes."""
    try:
        yield
    except Exception as error:  # torch raises it from a signal's handler, in the middle of whatever is done
        for note in vars(error).get("__notes__", ()):
            if note.startswith(LOST_WORKER):
                raise ChildProcessError(note) from error
        if BROKEN in str(error):  # before training, when nobody watches yet
            raise ChildProcessError("another process of the run has ended; its own lines say why") from error
        raise


def _find_worker(exception: BaseException | None) -> re.Match[str] | None:
    """What torch says of a lost data worker, in an error or in one that it led to."""
    while exception is not None:
        if (found := WORKER.search(" ".join(str(exception).split()))) is not None:
            return found
        exception = exception.__cause__ or exception.__context__
    return None


def _dismiss_observer() -> None:
    """Lightning's own kills everything within five seconds of a process's end, before anyone could say why."""
    for thread in threading.enumerate():
        if thread.name == "child-process-observer":
            thread._child_processes = []  # type: ignore[attr-defined]
