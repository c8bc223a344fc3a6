"""Runs of the tiny model in processes of their own, which can be sent signals."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.unit.training.conftest import rows
from unimodal.vocabulary import TextPieces

Start = Callable[..., subprocess.Popen[str]]
PATIENCE = 240.0
"""Seconds for a process to begin to train, on a machine with other work."""


@pytest.fixture
def start(cache: Path, pieces: TextPieces, tmp_path: Path) -> Iterator[Start]:
    """Begins `unimodal fit` in a folder of the test's; what is still running at the end is killed."""
    tokenizer = tmp_path / "pieces.model"
    pieces.save(tokenizer)
    begun: list[subprocess.Popen[str]] = []

    def run(
        *arguments: str,
        folder: str = "run",
        program: Sequence[str] = ("-m", "unimodal"),
        variables: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        given = ["--config", "configs/training/smoke.yaml", "--data.cache", str(cache), "--data.pieces", str(tokenizer)]
        given += ["--data.tasks", '{"code_summary": null}', "--trainer.default_root_dir", str(tmp_path / folder)]
        begun.append(
            subprocess.Popen(
                [sys.executable, *program, "fit", *given, *arguments],
                env={**os.environ, "OMP_NUM_THREADS": "1", **(variables or {})},
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        )
        return begun[-1]

    yield run
    for process in begun:
        if process.poll() is None:
            os.killpg(process.pid, 9)
        process.communicate()


def await_steps(folder: Path, steps: int) -> None:
    """Returns when the run in a folder has written so many steps."""
    ends = time.monotonic() + PATIENCE
    while time.monotonic() < ends:
        if (folder / "metrics.csv").is_file() and len(rows(folder)) >= steps:
            return
        time.sleep(0.05)
    raise AssertionError(f"{folder}: no {steps} steps within {PATIENCE} s")
