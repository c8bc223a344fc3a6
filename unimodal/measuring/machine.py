"""What a measurement is read against: the machine's bandwidth, a process's memory, and what ran where.

Memory is read from Linux's /proc; elsewhere those functions raise OSError.
"""

import os
import platform
import shlex
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, final

FEATURES = ("avx2", "avx512f", "avx512_bf16", "avx512_vnni", "avx_vnni", "amx_int8", "amx_bf16")
"""Of a processor's instructions those that kernels for decoding choose by."""


@final
@dataclass(frozen=True)
class Bandwidth:
    """Bytes a second that torch's threads read from memory, at their best."""

    by_sum: float
    """All numbers added up."""
    by_product: float
    """A matrix times a vector: how weights are read when one token is decoded."""

    @property
    def best(self) -> float:
        """The higher of the two, the machine's limit as far as it was seen."""
        return max(self.by_sum, self.by_product)


def read_bandwidth(num_bytes: int = 2**30, rounds: int = 5) -> Bandwidth:
    """The best of some rounds over a float32 matrix of `num_bytes`, which should be far larger than the caches.

    One process of a shared machine may get less than another a minute later: measure it beside what it is for.
    """
    import torch

    columns = 8192
    rows = num_bytes // (4 * columns)
    assert rows, "a matrix of less than one row"
    matrix, vector = torch.ones(rows, columns), torch.ones(columns)
    found = [_best_seconds(read, rounds) for read in (matrix.sum, lambda: matrix.mv(vector))]
    return Bandwidth(*(matrix.nbytes / seconds for seconds in found))


def _best_seconds(function: Callable[[], object], rounds: int) -> float:
    seconds = []
    for _ in range(rounds + 1):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds[1:])


def resident_memory() -> int:
    """Bytes of this process that are in memory now, files that it has mapped and read included."""
    return _status("VmRSS")


def peak_memory() -> int:
    """The most bytes that were in memory since the process began, or since `reset_peak_memory`."""
    return _status("VmHWM")


def reset_peak_memory() -> None:
    """Lets `peak_memory` begin anew."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(f"{field}:"))


def describe_run(*packages: str) -> dict[str, Any]:
    """What stands in a file of measurements: command, day, processor, and the versions of some packages.

    A package that is not installed has no version.
    """
    return {
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "date": date.today().isoformat(),
        "processor": describe_processor(),
        "versions": {"python": platform.python_version(), **{name: _version(name) for name in packages}},
    }


def describe_processor() -> str:
    """Its name, its cores, and the instructions of `FEATURES` that it has."""
    file = Path("/proc/cpuinfo")
    found: dict[str, str] = {}
    if file.is_file():
        pairs = (line.partition(":") for line in file.read_text(encoding="utf-8", errors="replace").splitlines())
        found = {name.strip(): value.strip() for name, _, value in pairs}
    flags = found.get("flags", "").split()
    parts = [
        found.get("model name") or platform.processor() or platform.machine(),
        f"{os.cpu_count()} cores",
        *(feature for feature in FEATURES if feature in flags),
    ]
    return ", ".join(parts)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
