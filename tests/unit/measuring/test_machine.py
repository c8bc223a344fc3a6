"""What is said of the machine is true of a process whose memory and reading are known."""

import mmap
import os
import shlex
import sys
from datetime import date

import torch

from unimodal.measuring.machine import (
    describe_processor,
    describe_run,
    peak_memory,
    read_bandwidth,
    reset_peak_memory,
    resident_memory,
)

SIZE = 64 * 2**20


def touch(size: int) -> mmap.mmap:
    """Memory outside of Python's heap, so that the system gets it back at once when it is closed."""
    block = mmap.mmap(-1, size)
    for place in range(0, size, mmap.PAGESIZE):
        block[place] = 1
    return block


def test_the_peak_is_what_was_held_at_most_and_begins_anew() -> None:
    reset_peak_memory()
    before = resident_memory()
    block = touch(SIZE)
    assert SIZE * 0.9 < resident_memory() - before < SIZE * 1.3
    block.close()
    assert resident_memory() - before < SIZE * 0.5
    assert SIZE * 0.9 < peak_memory() - before < SIZE * 1.3
    reset_peak_memory()
    assert peak_memory() - before < SIZE * 0.5


def test_the_bandwidth_is_within_what_memory_can_do() -> None:
    """Between a hundredth and a hundred times of what machines have; by less would say that the unit is wrong."""
    found = read_bandwidth(num_bytes=SIZE, rounds=2)
    assert 2e8 < found.by_sum < 2e12 and 2e8 < found.by_product < 2e12
    assert found.best == max(found.by_sum, found.by_product)


def test_a_run_is_described_by_its_own_command() -> None:
    run = describe_run("torch", "no-such-package-anywhere")
    assert shlex.split(run["command"]) == ["python", *sys.orig_argv[1:]]
    assert run["date"] == date.today().isoformat()
    assert torch.__version__.startswith(run["versions"]["torch"].partition("+")[0])
    assert run["versions"]["no-such-package-anywhere"] is None
    assert f"{os.cpu_count()} cores" in run["processor"]


def test_the_processor_has_a_name() -> None:
    assert len(describe_processor().split(",")[0]) > 2
