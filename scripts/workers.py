"""Contenders in processes of their own: what one of them holds in memory is not counted for another."""

import multiprocessing
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import final

from scripts.contenders import Answerer, Contender, Rows

PATIENCE = 5.0
"""Seconds."""
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS")


@final
@dataclass(frozen=True, kw_only=True)
class Request:
    """One call: an answer, or the encoder alone where no tokens are asked for."""

    source: Rows
    width: int = 1
    num_tokens: int = 0


@final
@dataclass(frozen=True, kw_only=True)
class Reply:
    """What came of a call, or why nothing did."""

    seconds: float = 0.0
    rows: Rows = field(default_factory=list)
    peak_bytes: int = 0
    """Of the process while it answered, above what it held when everything was imported and no model was loaded."""
    failure: str = ""


@final
class Worker:
    """Starts the process of a contender at once; `ready` waits until its model is loaded."""

    def __init__(self, contender: Contender, folder: Path, threads: int) -> None:
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._connection, theirs = context.Pipe()
        before = {name: os.environ.get(name) for name in THREADS}
        os.environ |= dict.fromkeys(THREADS, str(threads))  # read when the libraries are imported
        self._process = context.Process(target=serve, args=(theirs, contender, folder, threads))
        self._process.start()
        theirs.close()
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})

    def ready(self, limit_seconds: float) -> Reply:
        """The seconds that loading took, and the peak of memory meanwhile."""
        return self._receive(limit_seconds)

    def ask(self, request: Request, limit_seconds: float) -> Reply:
        """What came of a request. A process that is later than the limit is ended, and answers nothing any more."""
        if not self._process.is_alive():
            return Reply(failure="its process has ended")
        self._connection.send(request)
        return self._receive(limit_seconds)

    def _receive(self, limit_seconds: float) -> Reply:
        try:
            if self._connection.poll(limit_seconds):
                reply: Reply = self._connection.recv()
                return reply
            failure = f"not done within {limit_seconds:g} s"
        except (EOFError, ConnectionError):
            self._process.join()
            failure = f"its process ended with status {self._process.exitcode}"
        self.close()
        return Reply(failure=failure)

    def close(self) -> None:
        """Ends the process, which stops by itself unless it is at work."""
        self._connection.close()
        self._process.join(timeout=PATIENCE)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()


def serve(connection: Connection, contender: Contender, folder: Path, threads: int) -> None:
    """Loads a model, and answers requests until nobody asks any more; whatever goes wrong is told, not raised."""
    from unimodal.measuring.machine import peak_memory, reset_peak_memory, resident_memory

    def timed(work: Callable[[], Rows]) -> Reply:
        reset_peak_memory()
        began = time.perf_counter()
        try:
            rows = work()
        except NotImplementedError as error:
            return Reply(failure=str(error))
        except Exception as error:  # a rival's failure is a row of the bench, not its end
            return Reply(failure=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
        return Reply(seconds=time.perf_counter() - began, rows=rows, peak_bytes=peak_memory() - before)

    def load() -> Rows:
        loaded.append(open_folder())
        return []

    def answer() -> Rows:
        if request.num_tokens:
            return loaded[0].answer(request.source, width=request.width, num_tokens=request.num_tokens)
        loaded[0].encode(request.source)
        return []

    loaded: list[Answerer] = []
    before = 0
    try:
        open_folder = contender.open(folder, threads)
    except ModuleNotFoundError as error:
        connection.send(Reply(failure=f"{error}"))
        return
    before = resident_memory()
    connection.send(timed(load))
    try:
        while loaded:
            request: Request = connection.recv()
            connection.send(timed(answer))
    except EOFError:
        return
