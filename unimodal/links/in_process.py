"""Workers of one process, for tests and miniatures."""

import threading
from collections.abc import Callable
from typing import TypeVar, final

import torch
from jaxtyping import UInt8
from torch import Tensor

from unimodal.links import Link, Pending, Round

T = TypeVar("T")


@final
class LocalCluster:
    """Runs the same function as several workers: each a thread, of which one runs at a time.

    A worker hands on its turn only when it waits for a round, so what is measured is one core's work, and workers that
    seed what they draw draw the same in every run.
    """

    def __init__(self, num_workers: int) -> None:
        assert num_workers >= 1
        self.num_workers = num_workers
        self._turn = threading.Condition()
        self._rounds: dict[int, dict[int, Tensor]] = {}
        self._unread: dict[int, int] = {}
        self._failures: list[BaseException] = []

    def run(self, work: Callable[[Link], T]) -> list[T]:
        """What `work` gives for each worker's link, by number. A worker's exception ends all and is raised."""
        results: dict[int, T] = {}
        num_threads, grad = torch.get_num_threads(), torch.is_grad_enabled()

        def run_one(number: int) -> None:
            torch.set_num_threads(num_threads)
            with self._turn, torch.set_grad_enabled(grad):
                try:
                    results[number] = work(_End(self, number))
                except BaseException as error:
                    self._failures.append(error)
                    self._turn.notify_all()

        threads = [threading.Thread(target=run_one, args=(number,)) for number in range(self.num_workers)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if self._failures:
            raise self._failures[0]
        return [results[number] for number in range(self.num_workers)]

    def post(self, place: int, number: int, message: Tensor) -> None:
        """One worker's message of the round at that place."""
        self._rounds.setdefault(place, {})[number] = message.clone()
        self._unread.setdefault(place, self.num_workers)
        self._turn.notify_all()

    def collect(self, place: int) -> Round:
        """Waits until all have posted; who reads last clears the table."""
        self._turn.wait_for(lambda: self._failures or len(self._rounds[place]) == self.num_workers)
        if len(self._rounds[place]) < self.num_workers:
            raise ConnectionError("a worker was lost: another thread ended")
        arrived = dict(sorted(self._rounds[place].items()))
        self._unread[place] -= 1
        if not self._unread[place]:
            del self._rounds[place], self._unread[place]
        return arrived


@final
class _End(Link):
    def __init__(self, cluster: LocalCluster, number: int) -> None:
        self._cluster, self._number, self._place = cluster, number, 0

    def open(self) -> None:
        pass

    @property
    def number(self) -> int:
        return self._number

    @property
    def workers(self) -> list[int]:
        return list(range(self._cluster.num_workers))

    def gather(self, message: UInt8[Tensor, " c"]) -> Pending:
        place, self._place = self._place, self._place + 1
        self._cluster.post(place, self._number, message)
        return lambda: self._cluster.collect(place)

    def missed(self) -> list[Round]:
        return []

    def close(self) -> None:
        pass
