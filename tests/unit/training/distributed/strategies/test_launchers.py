"""The command line under torchrun, as docs/clusters.md gives it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.unit.training.conftest import rows
from tests.unit.training.distributed.strategies.conftest import Run

SHORT = ("--trainer.max_steps", "3")


def test_torchrun_starts_a_run_where_nothing_can_be_compiled(config: Path, alone: Run, tmp_path: Path) -> None:
    """No compiler and no GPU, as DeepSpeed has to be content with."""
    expected = alone("alone", *SHORT, "--data.batching.shards", "2", "--trainer.accumulate_grad_batches", "2")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "unimodal"]
    command += ["fit", "--config", str(config), "--trainer.default_root_dir", str(tmp_path / "run"), *SHORT]
    bare = {**os.environ, "PATH": str(tmp_path), "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*command, "--trainer.strategy", "deepspeed_stage_2"], env=bare, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    found = [float(row["train/loss"]) for row in rows(tmp_path / "run")]
    assert found == pytest.approx([float(row["train/loss"]) for row in rows(expected)], abs=1e-4)
    for noise in ("Traceback", "Warning", "WARNING", "deepspeed"):
        assert noise not in done.stdout + done.stderr, done.stdout + done.stderr
