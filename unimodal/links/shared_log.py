"""Processes that come and go, by a log that all of them read.

`python -m unimodal.links.shared_log PORT` keeps the log; it is the one process that may not die.
"""

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, final

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.distributed import TCPStore  # type: ignore[attr-defined]  # documented, though not in __all__

from unimodal.links import Link, Pending, Round

POLL = 0.002  # seconds between two looks at the store
TIMEOUT = timedelta(seconds=30)


@contextmanager
def _reached() -> Iterator[None]:
    """Raises OSError, in one line, where the log's process is gone."""
    try:
        yield
    except RuntimeError as error:
        raise ConnectionError(f"the log cannot be reached any more: {str(error).splitlines()[0]}") from error


@final
class SharedLog(Link):
    """Rounds are entries of a log in a key-value store (torch's TCPStore); the first entry that is proposed holds.

    A round ends when all whom it waits for have sent something, or after `patience` seconds without the others; whoever
    notices first proposes it, and compare-and-set lets one proposal win, so all read the same. An entry also says whom
    the next round waits for: those who took part or have said hello, without those who left. So a worker that is killed
    costs the others their patience once, and one that joins (or comes back, under a new number) reads the log, says
    hello and is waited for. Numbers come from one counter, so no two workers share one.
    """

    def __init__(self, address: str, *, workers: int, patience: float = 10.0) -> None:
        """`address` is host:port of the log, `workers` those whom the first round waits for."""
        host, _, port = address.rpartition(":")
        if not host or not port.isdigit():
            raise ValueError(f"address: expected host:port, got {address!r}")
        if workers < 1 or patience <= 0:
            raise ValueError(f"workers, patience: expected 1 or more and seconds above 0, got {workers} and {patience}")
        self.host, self.port, self.patience = host, int(port), patience
        self._missed: list[Round] = []
        self._expected = list(range(workers))
        self._begun = 0  # rounds that this worker has sent to
        self._number = -1

    def open(self) -> None:
        try:
            self._store = TCPStore(self.host, self.port, is_master=False, timeout=TIMEOUT, wait_for_workers=False)
        except RuntimeError as error:
            raise ConnectionError(f"{self.host}:{self.port}: no log to be reached there") from error
        self._number = self._store.add("joined", 1) - 1
        if self._number not in self._expected or self._store.check(["round/0"]):
            self._join()

    @property
    def number(self) -> int:
        return self._number

    @property
    def workers(self) -> list[int]:
        return list(self._expected)

    def gather(self, message: UInt8[Tensor, " c"]) -> Pending:
        place, self._begun = self._begun, self._begun + 1
        with _reached():
            self._store.set(f"message/{place}/{self._number}", bytes(message.tolist()).hex())
        return lambda: self._collect(place)

    def missed(self) -> list[Round]:
        return self._missed

    def close(self) -> None:
        with _reached():
            self._store.set(f"left/{self._number}", "")

    @_reached()
    def _join(self) -> None:
        """Reads the log until a round is going to wait for this worker, or nothing happens any more."""
        self._store.set(f"hello/{self._number}", "")
        deadline = time.monotonic() + self.patience
        while self._number not in self._expected or not self._missed:
            if self._store.check([f"round/{self._begun}"]):
                self._missed.append(self._entry(self._begun))
                self._begun += 1
                deadline = time.monotonic() + self.patience
            elif time.monotonic() > deadline:
                return  # all others are gone: the next round is this worker's alone
            else:
                time.sleep(POLL)

    @_reached()
    def _collect(self, place: int) -> Round:
        deadline = time.monotonic() + self.patience
        while not self._store.check([f"round/{place}"]):
            late = time.monotonic() > deadline
            if late or all(self._is_there("message", place, who) or self._has_left(who) for who in self._expected):
                self._propose(place)
            else:
                time.sleep(POLL)
        arrived = self._entry(place)
        if self._number not in self._expected:
            self._store.set(f"hello/{self._number}", "")  # came too late: asks to be waited for again
        return arrived

    def _propose(self, place: int) -> None:
        everybody = range(self._store.add("joined", 0))
        sent = [who for who in everybody if self._is_there("message", place, who)]
        greeting = [who for who in everybody if self._store.check([f"hello/{who}"])]
        messages = {str(who): self._store.get(f"message/{place}/{who}").decode() for who in sent}
        following = [who for who in everybody if who in {*sent, *greeting} and not self._has_left(who)]
        entry = json.dumps({"messages": messages, "next": following})
        if self._store.compare_set(f"round/{place}", "", entry).decode() == entry:
            for who in greeting:
                self._store.delete_key(f"hello/{who}")

    def _entry(self, place: int) -> Round:
        entry: dict[str, Any] = json.loads(self._store.get(f"round/{place}"))
        self._expected = entry["next"]
        return {int(who): _bytes(message) for who, message in entry["messages"].items()}

    def _is_there(self, what: str, place: int, who: int) -> bool:
        return bool(self._store.check([f"{what}/{place}/{who}"]))

    def _has_left(self, who: int) -> bool:
        return bool(self._store.check([f"left/{who}"]))


def serve_log(port: int) -> TCPStore:
    """A log at this port, or at a free one for 0, as long as what is returned lives."""
    return TCPStore("0.0.0.0", port, is_master=True, timeout=TIMEOUT, wait_for_workers=False)


def _bytes(message: str) -> Tensor:
    return torch.tensor(list(bytes.fromhex(message)), dtype=torch.uint8)


if __name__ == "__main__":
    kept = serve_log(int(sys.argv[1]))
    while True:
        time.sleep(60)
