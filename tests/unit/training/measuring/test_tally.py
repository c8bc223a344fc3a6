"""Every process's examples together are every example once; what is forgotten or repeated is found, on any process."""

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from unimodal.batching import Draw
from unimodal.training.data.rounds import Rounds
from unimodal.training.data.streams.mixed import MixedStream
from unimodal.training.measuring.tally import Finding, RoundTally

SIZES = {"large": 301, "small": 7, "single": 1}
PROGRAM = Path(__file__).with_name("tally_process.py")


def windows(shard: int, number: int, shards: int) -> list[Draw]:
    rounds = Rounds({task: [size] for task, size in SIZES.items()}, seed=0, shards=shards)
    shares = {"large": 0.8, "small": 0.15, "single": 0.05}
    stream = MixedStream(rounds, shares=shares, means=dict.fromkeys(SIZES, 10.0), entries=40)
    return [draw for group in stream.window(shard, number) for draw in group.draws]


def tally(shards: int = 1) -> RoundTally:
    return RoundTally(SIZES, shards=shards, device=torch.device("cpu"))


def findings(shards: int, num_windows: int, *, forget: int | None = None, repeat: int | None = None) -> list[Finding]:
    counted, found = tally(shards), []
    for number in range(num_windows):
        for shard in range(shards):
            for place, draw in enumerate(windows(shard, number, shards)):
                times = 1 if shard or number != 3 else 1 - (place == forget) + (place == repeat)
                counted.take(shard, [draw] * times)
        found += counted.close()
    return found


@pytest.mark.parametrize("shards", [1, 3])
def test_rounds_are_complete(shards: int) -> None:
    found = findings(shards, 40)
    rounds = {task: [finding.round for finding in found if finding.task == task] for task in SIZES}
    assert all(rounds[task] == list(range(len(rounds[task]))) for task in SIZES)
    assert len(rounds["large"]) >= 5 and len(rounds["single"]) > 50
    assert not any(finding.missing or finding.repeated for finding in found)


def test_what_is_forgotten_or_repeated_is_named() -> None:
    lost, twice = windows(0, 3, 2)[5], windows(0, 3, 2)[9]
    found = {(finding.task, finding.round): finding for finding in findings(2, 40, forget=5, repeat=9)}
    assert found[lost.task, lost.round].missing == [lost.example]
    assert found[twice.task, twice.round].repeated == [twice.example]
    assert sum(len(finding.missing) + len(finding.repeated) for finding in found.values()) == 2


def test_counts_go_on_from_a_checkpoint() -> None:
    counted, found = tally(), []
    for number in range(30):
        counted.take(0, windows(0, number, 1))
        if number % 7 == 0:
            state, counted = counted.state(), tally()
            counted.load(state, first=True)
        found += counted.close()
    assert {finding.task for finding in found} == set(SIZES)
    assert not any(finding.missing or finding.repeated for finding in found)


def test_a_window_that_a_resumed_run_repeats_is_found() -> None:
    counted = tally()
    for number in range(3):
        counted.take(0, windows(0, number, 1))
    state, counted = counted.state(), tally()
    counted.load(state, first=True)
    counted.take(0, windows(0, 2, 1))
    assert sum(len(finding.repeated) for finding in counted.repeated()) > 10


def test_two_processes_judge_together(tmp_path: Path) -> None:
    """Uneven tasks over two gloo processes; a fault of one of them is found by both."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        port = server.getsockname()[1]
    processes = [
        subprocess.Popen([sys.executable, str(PROGRAM), str(rank), str(port), str(tmp_path)]) for rank in range(2)
    ]
    assert [process.wait(240) for process in processes] == [0, 0]
    found, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert found == second
    assert all(counts["rounds"] > 20 and counts["left_out"] > 0 for counts in found.values())
    assert found["none"]["missing"] == found["none"]["repeated"] == 0
    assert found["same_shard"]["missing"] > 100 and found["same_shard"]["repeated"] > 100
    assert found["skipped_batch"]["missing"] > 0 and found["skipped_batch"]["repeated"] == 0
