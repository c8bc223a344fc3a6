"""Real processes that are killed or hang: who is gone is named in one line, within a bounded time."""

import multiprocessing
import os
import re
import signal
import socket
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import pytest
from torch.distributed import TCPStore

from tests.unit.training.conftest import Fit
from tests.unit.training.guards.conftest import Start, await_steps
from unimodal.training.distributed.heartbeats import Heartbeats
from unimodal.training.guards.processes import naming_lost_workers

ENDLESS = ("--trainer.max_steps", "100000", "--trainer.val_check_interval", "100000", "--checkpoint.every", "100000")


def children(process: int) -> list[int]:
    """Processes that a process has begun, oldest first."""
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def data_workers() -> list[int]:
    return [child.pid for child in multiprocessing.active_children() if child.pid is not None]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_killed_data_worker_ends_a_run_in_one_line(fit: Fit, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill() -> None:
        await_steps(tmp_path / "run", 3)
        killed.append(data_workers()[0])
        os.kill(killed[0], signal.SIGKILL)

    threading.Thread(target=kill, daemon=True).start()
    with pytest.raises(ChildProcessError) as lost:
        fit(*ENDLESS, "--data.batching.workers", "2")
    how = "(is killed by signal: Killed|exited unexpectedly)"  # torch hears of it in one of two ways
    line = rf"data worker {killed[0]} of process 0 {how} after step \d+; if memory ran out, lower"
    assert re.match(line, str(lost.value)) and "\n" not in str(lost.value)


PATIENCE = 2.0


def take_part(rank: int, port: int, orders: Connection, heard: Connection) -> None:
    """A process of a run of three: it beats until it is told to leave or to fail, or is gone."""
    store = TCPStore("localhost", port, None, rank == 0, timedelta(seconds=60), wait_for_workers=False)

    def report(line: str | None) -> None:
        heard.send((rank, line, time.monotonic()))
        os._exit(2)

    beats = Heartbeats(store, rank=rank, ranks=3, patience=PATIENCE, report=report)
    beats.start()
    heard.send((rank, "beats", time.monotonic()))
    match orders.recv():
        case "leave":
            beats.stop()
            orders.recv()  # as long as others train
        case reason:
            beats.rest()
            beats.say_why(reason)
            orders.recv()
    os._exit(0)


class Members:
    """Three real processes that met in a store."""

    def __init__(self) -> None:
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = free.getsockname()[1]
        context = multiprocessing.get_context("fork")
        self.heard, hearing = context.Pipe(duplex=False)
        self.orders: list[Connection] = []
        self.processes: list[Any] = []
        for rank in range(3):
            taken, given = context.Pipe(duplex=False)
            process = context.Process(target=take_part, args=(rank, port, taken, hearing))
            process.start()
            self.orders.append(given)
            self.processes.append(process)
        assert {self.hear()[:2] for _ in range(3)} == {(rank, "beats") for rank in range(3)}

    def hear(self, seconds: float = 60.0) -> tuple[int, str | None, float]:
        assert self.heard.poll(seconds), "nobody says anything"
        return cast(tuple[int, str | None, float], self.heard.recv())

    def send(self, rank: int, number: signal.Signals) -> None:
        os.kill(self.processes[rank].pid, number)

    def end(self) -> None:
        for process in self.processes:
            process.kill()
            process.join()


@pytest.fixture
def members() -> Iterator[Members]:
    found = Members()
    yield found
    found.end()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP], ids=lambda number: number.name)
def test_a_process_that_is_killed_or_hangs_is_named_once(members: Members, number: signal.Signals) -> None:
    began = time.monotonic()
    members.send(2, number)
    said = [members.hear(), members.hear()]
    lines = {rank: line for rank, line, _ in said}
    assert lines == {0: "process 2 of 3 is gone: it was killed, or has hung for 2 s", 1: None}
    assert PATIENCE - 1 < min(at for *_, at in said) - began
    assert max(at for *_, at in said) - began < PATIENCE + 20  # on a busy machine


def test_without_the_first_process_each_says_so_itself(members: Members) -> None:
    members.send(0, signal.SIGKILL)
    lines = {rank: line for rank, line, _ in (members.hear(), members.hear())}
    assert lines == dict.fromkeys((1, 2), "process 0 of 3, at which all others meet, is gone")


def test_the_reason_that_a_process_left_is_told(members: Members) -> None:
    members.orders[1].send("step 7: the first non-finite value is in the output of x")
    assert members.hear()[:2] in (
        (0, "process 1 of 3 is gone: step 7: the first non-finite value is in the output of x"),
        (2, None),
    )


def test_who_leaves_in_order_is_not_missed(members: Members) -> None:
    members.orders[1].send("leave")
    assert not members.heard.poll(2 * PATIENCE)


def test_a_process_that_ends_before_training_is_a_line_too() -> None:
    with pytest.raises(ChildProcessError, match="^another process of the run has ended"), naming_lost_workers():
        raise RuntimeError("[pair.cc:561] Connection closed by peer [127.0.0.1]:47316. This is typically caused by")
    with pytest.raises(RuntimeError, match="^a defect$"), naming_lost_workers():
        raise RuntimeError("a defect")


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_a_run_on_two_processes_names_the_one_that_was_killed(start: Start, tmp_path: Path, victim: int) -> None:
    """The whole command, under the strategy of replicas."""
    two = ("--trainer.strategy", "ddp", "--trainer.devices", "2", "--processes.patience", "3")
    process = start(*ENDLESS, *two)
    await_steps(tmp_path / "run", 3)
    (other,) = children(process.pid)
    os.kill(other if victim else process.pid, signal.SIGKILL)
    _, said = process.communicate(timeout=60)
    *others, line = said.strip().splitlines()
    if victim:
        assert (process.returncode, others) == (2, [])
        assert re.match(
            r"unimodal: process 1 of 2 is gone: it was killed, or has hung for 3 s \(after step \d+\)", line
        )
    else:  # before it stand torch's own lines about the store that has gone with process 0
        assert re.match(r"unimodal: process 0 of 2, at which all others meet, is gone \(after step \d+\)", line)
