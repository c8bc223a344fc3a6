"""How much of its time a run waits for data."""

import atexit
import multiprocessing
import time
from collections import deque
from collections.abc import Iterator
from multiprocessing.connection import wait
from typing import Any, final

from lightning.pytorch import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from unimodal.batching import Batch
from unimodal.training.data.parcels import unpack

STEPS = 100
"""Batches whose mean is logged: opening a window of draws delays one of sixteen."""
GRACE = 5.0
"""Seconds that a worker whose connection broke may take until it has ended."""


@final
class MeasuredLoader(DataLoader[Batch]):
    """A loader that adds up the seconds in which its caller waits; workers give it parcels.

    A worker that ends while one of its parcels is fetched is named as torch names the others: RuntimeError.
    """

    waited = 0.0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]  # torch's own iterator is more than is needed
        others = set(multiprocessing.active_children())
        batches = super().__iter__()
        workers = set(multiprocessing.active_children()) - others
        for worker in workers:
            atexit.register(worker.kill)  # it is asked to end by a signal that it ignores
        while True:
            began = time.perf_counter()
            try:
                batch = unpack(next(batches)) if self.num_workers else next(batches)
            except StopIteration:
                return
            except (ConnectionError, EOFError) as error:  # torch may have asked whether it lives while it did
                ended = wait([worker.sentinel for worker in workers], GRACE)
                gone = [str(worker.pid) for worker in workers if worker.sentinel in ended]
                if not gone:
                    raise
                raise RuntimeError(f"DataLoader worker (pid(s) {', '.join(gone)}) exited unexpectedly") from error
            self.waited += time.perf_counter() - began
            yield batch


@final
class Waiting(Callback):
    """Logs `waiting`: the share of the last 100 batches' time that was spent until they came, from the second on."""

    def __init__(self) -> None:
        self._began: tuple[float, float] | None = None
        self._last: deque[tuple[float, float]] = deque(maxlen=STEPS)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        loader = trainer.train_dataloader
        assert isinstance(loader, MeasuredLoader)
        now = time.perf_counter(), loader.waited
        if self._began is not None:
            self._last.append((now[0] - self._began[0], now[1] - self._began[1]))
            whole, waited = (sum(values) for values in zip(*self._last, strict=True))
            pl_module.log("waiting", waited / whole)
        self._began = now

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._began = None  # time of its own
