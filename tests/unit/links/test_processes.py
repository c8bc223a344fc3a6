"""Links between real processes: what they count, lose, delay and survive."""

import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from unimodal.links.in_process import LocalCluster
from unimodal.links.process_group import ProcessGroup
from unimodal.links.shared_log import SharedLog, serve_log

WORKER = Path(__file__).with_name("worker.py")


def start(*arguments: object) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, str(WORKER), *map(str, arguments)], env={**os.environ, "OMP_NUM_THREADS": "1"}
    )


def wait_for(what: Callable[[], bool], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def result(folder: Path, number: int) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / f"{number}.json").read_text())
    return found


def worker_module() -> ModuleType:
    spec = importlib.util.spec_from_file_location("worker", WORKER)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_two_processes_train_as_two_threads_and_name_the_lost_one(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    processes = [start("group", address, number, tmp_path) for number in range(2)]
    assert [process.wait(120) for process in processes] == [0, 9]
    first, second = result(tmp_path, 0), result(tmp_path, 1)
    lost = first.pop("lost")
    assert lost.startswith("a worker was lost: ") and "\n" not in lost
    assert first == second
    assert first.pop("overlap") == [[0, 0, 0], [1, 1, 1]]
    expected = LocalCluster(2).run(worker_module().train)
    assert expected == [first, first]
    # Three fragments, each sent three times in 20 steps and the first ones once more at the end, in half a byte.
    assert first["missing"] >= 1 and 0 < first["peak"] < first["bytes"] / 8


def test_a_killed_worker_comes_back_and_ends_with_the_others_weights(tmp_path: Path) -> None:
    log = serve_log(0)
    address = f"127.0.0.1:{log.port}"
    stays, dies = start("log", address, 0, tmp_path), start("log", address, 1, tmp_path)
    rounds = tmp_path / "1.rounds"
    wait_for(lambda: rounds.exists() and int(rounds.read_text() or 0) >= 5)
    dies.send_signal(signal.SIGKILL)
    assert dies.wait() == -signal.SIGKILL
    returns = start("log", address, 2, tmp_path)
    assert returns.wait(120) == 0 and stays.wait(120) == 0
    first, second = result(tmp_path, 0), result(tmp_path, 2)
    assert first["weights"] == second["weights"] and first["rounds"] == second["rounds"]
    assert second["joined at"] >= 5, "the rounds before were not replayed"
    assert first["missing"] >= 1 and not (tmp_path / "1.json").exists()
    checks = -(-first["rounds"] // 8)
    assert first["bytes"] == 2 * first["rounds"] + 8 * checks, "two bytes a round and a digest in every eighth"


def test_workers_of_a_log_have_different_numbers_and_the_same_rounds() -> None:
    log = serve_log(0)
    links = [SharedLog(f"127.0.0.1:{log.port}", workers=3, patience=5.0) for _ in range(3)]
    for link in links:
        link.open()
    assert sorted(link.number for link in links) == [0, 1, 2] and not any(link.missed() for link in links)
    for place in range(3):
        waiting = [link.gather(torch.tensor([place, link.number], dtype=torch.uint8)) for link in links]
        rounds = [{who: message.tolist() for who, message in collect().items()} for collect in waiting]
        assert rounds == [{who: [place, who] for who in range(3)}] * 3
    links[0].close()
    waiting = [link.gather(torch.zeros(1, dtype=torch.uint8)) for link in links[1:]]
    began = time.monotonic()
    assert [sorted(collect()) for collect in waiting] == [[1, 2]] * 2
    assert time.monotonic() - began < 4, "somebody waited for one who had left"
    late = SharedLog(f"127.0.0.1:{log.port}", workers=3, patience=0.2)
    late.open()
    assert late.number == 3 and [sorted(each) for each in late.missed()] == [[0, 1, 2]] * 3 + [[1, 2]]


def test_a_log_that_is_gone_is_named() -> None:
    link = SharedLog(f"127.0.0.1:{(log := serve_log(0)).port}", workers=2)
    link.open()
    collect = link.gather(torch.zeros(1, dtype=torch.uint8))
    del log
    with pytest.raises(ConnectionError, match="the log cannot be reached any more"):
        collect()


def test_links_that_lead_nowhere_say_so() -> None:
    with pytest.raises(ConnectionError, match="no log to be reached"):
        SharedLog("127.0.0.1:9", workers=1).open()
    with pytest.raises(ValueError, match="no process group"):
        ProcessGroup().open()
    with pytest.raises(ValueError, match="address: expected host:port"):
        SharedLog("nowhere", workers=1)
