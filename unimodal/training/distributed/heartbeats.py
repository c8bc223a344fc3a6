"""Processes of a run that tell each other, through the store by which they met, that they are there."""

import threading
import time
from collections.abc import Callable
from datetime import timedelta
from typing import final

from torch.distributed.distributed_c10d import Store

BEAT = 0.5
"""Seconds between two beats."""
VERDICT = "unimodal/verdict"
"""The key that says that process 0 has named the lost one."""


@final
class Heartbeats:
    """One thread in each process counts up in the store; process 0 watches all the others, and they watch it.

    A process is lost that has left a reason, or has not counted while the watcher looked for `patience` seconds, so
    that a machine that
    slept has lost nobody. Then `report` is called once, from the thread: with a line that names it, or None where
    another process has said it.
    """

    def __init__(
        self, store: Store, *, rank: int, ranks: int, patience: float, report: Callable[[str | None], None]
    ) -> None:
        self.rank, self.ranks, self.patience, self.report = rank, ranks, patience, report
        self.lost = threading.Event()
        """Set when a process was found to be lost."""
        self._store = store.clone()  # of the thread's own: a store answers one question at a time
        self._store.set_timeout(timedelta(seconds=patience))
        self._over = threading.Event()
        self._store.add(self._key("beat"), 1)
        self._thread = threading.Thread(target=self._run, name="heartbeats", daemon=True)

    def start(self) -> None:
        """Begins to count and to watch, when every process has called the constructor."""
        self._thread.start()

    def stop(self) -> None:
        """Ends in order: nobody misses this process any more."""
        self.rest()
        self._tell(self._key("left"), "in order")

    def rest(self) -> None:
        """Neither counts nor watches from now on."""
        self._over.set()
        self._thread.join()

    def say_why(self, reason: str) -> None:
        """Leaves the reason for which this process ends to those who would miss it."""
        self._tell(self._key("reason"), reason)

    def _run(self) -> None:
        watched = [rank for rank in range(self.ranks) if rank != self.rank] if self.rank == 0 else [0]
        counts = dict.fromkeys(watched, -1)
        missed = dict.fromkeys(watched, 0.0)
        while not self._over.wait(BEAT):
            began = time.monotonic()
            try:
                self._store.add(self._key("beat"), 1)
                if self.rank and self._store.check([VERDICT]):
                    self._finish(None)
                    return
                found = [int(count) for count in self._store.multi_get([self._key("beat", rank) for rank in watched])]
                for rank, count in zip(watched, found, strict=True):
                    missed[rank] = 0.0 if count != counts[rank] else missed[rank] + BEAT + time.monotonic() - began
                    counts[rank] = count
                    if (why := self._why_lost(rank, missed[rank])) is not None:
                        self._finish(f"process {rank} of {self.ranks} is gone: {why}")
                        return
            except (RuntimeError, OSError):
                self._finish(f"process 0 of {self.ranks}, at which all others meet, is gone")
                return

    def _why_lost(self, rank: int, missed: float) -> str | None:
        if self._store.check([self._key("reason", rank)]):
            return self._store.get(self._key("reason", rank)).decode()
        if missed > self.patience and not self._store.check([self._key("left", rank)]):
            return f"it was killed, or has hung for {self.patience:g} s"
        return None

    def _finish(self, line: str | None) -> None:
        if self._over.is_set():
            return
        self.lost.set()
        if self.rank == 0:
            self._tell(VERDICT, "told")
            time.sleep(3 * BEAT)  # for the others to hear it and be quiet
        self.report(line)

    def _tell(self, key: str, said: str) -> None:
        try:
            self._store.set(key, said)
        except (RuntimeError, OSError):
            return  # nobody is there to hear it

    def _key(self, what: str, rank: int | None = None) -> str:
        return f"unimodal/{what}/{self.rank if rank is None else rank}"
