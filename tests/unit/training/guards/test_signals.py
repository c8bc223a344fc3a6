"""A signal ends a run after a whole step, which is saved; the resumed run equals one that never stopped."""

import os
import re
import signal
import socket
import threading
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.conftest import Fit, rows
from tests.unit.training.distributed.strategies.conftest import torchrun
from tests.unit.training.guards.conftest import Start, await_steps
from unimodal.training.checkpoints.folders import CheckpointFolders
from unimodal.training.checkpoints.manifest import Manifest
from unimodal.training.guards.signals import StopSignals

ENDLESS = ("--trainer.max_steps", "100000", "--trainer.val_check_interval", "100000", "--checkpoint.every", "100000")
STOPPED = re.compile(
    r"unimodal: (SIG\w+): stopped after step (\d+), which is saved; --ckpt_path last goes on from there"
)


def send_later(folder: Path, steps: int, number: signal.Signals) -> None:
    """To this process, when the run in a folder has written so many steps."""

    def wait() -> None:
        await_steps(folder, steps)
        os.kill(os.getpid(), number)

    threading.Thread(target=wait, daemon=True).start()


def check_resumes(fit: Fit, step: int, *arguments: str) -> None:
    short = ("--trainer.val_check_interval", "100000", "--trainer.max_steps", str(step + 3), *arguments)
    whole = fit(*short, folder="whole")
    parts = fit(*short, "--ckpt_path", "last")
    expected, found = rows(whole), rows(parts)
    assert [row["train/loss"] for row in found] == [row["train/loss"] for row in expected]
    weights = load_file(whole / "model.safetensors")
    assert all(torch.equal(value, weights[name]) for name, value in load_file(parts / "model.safetensors").items())


def test_a_signal_stops_a_run_after_a_saved_step(fit: Fit, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    number = signal.SIGUSR1
    before = signal.getsignal(number)
    send_later(tmp_path / "run", 3, number)
    with pytest.raises(SystemExit) as stopped:
        fit(*ENDLESS)
    assert stopped.value.code == 128 + number
    assert signal.getsignal(number) == before
    found = STOPPED.search(capfd.readouterr().err)
    assert found is not None and found[1] == number.name
    step = int(found[2])
    assert len(rows(tmp_path / "run")) == step >= 3
    assert not (tmp_path / "run" / "model.safetensors").exists()
    check_resumes(fit, step)


def test_sigterm_to_a_whole_group_ends_in_order_though_data_workers_get_it_too(
    start: Start, fit: Fit, tmp_path: Path
) -> None:
    workers = ("--data.batching.workers", "2", "--trainer.accumulate_grad_batches", "2")
    process = start(*ENDLESS, *workers)
    await_steps(tmp_path / "run", 3)
    os.killpg(process.pid, signal.SIGTERM)
    _, said = process.communicate(timeout=120)
    (line,) = said.strip().splitlines()
    found = STOPPED.fullmatch(line)
    assert process.returncode == 128 + signal.SIGTERM and found is not None
    check_resumes(fit, int(found[2]), "--trainer.accumulate_grad_batches", "2")


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["ddp", "deepspeed_stage_2"])
def test_sigterm_to_one_of_two_processes_stops_both_after_one_saved_step(
    start: Start, tmp_path: Path, strategy: str
) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(found.getsockname()[1]), "DS_ACCELERATOR": "cpu"}
    strategies = ("--trainer.devices", "2", "--trainer.strategy", strategy)
    both = [start(*ENDLESS, *strategies, variables={**torchrun(rank, 2), **meeting}) for rank in range(2)]
    await_steps(tmp_path / "run", 3)
    both[1].send_signal(signal.SIGTERM)
    said = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == 2 * [128 + signal.SIGTERM], said
    stopped = STOPPED.search(said[0])
    assert stopped is not None and STOPPED.search(said[1]) is None
    latest, problems = CheckpointFolders(tmp_path / "run").find_latest()
    assert latest is not None and Manifest.read(latest).step == int(stopped[2]) and not problems


HANGING = """
import sys, time
from types import SimpleNamespace
from unimodal.training.guards.signals import StopSignals

StopSignals(grace=float(sys.argv[-1])).on_train_start(SimpleNamespace(received_sigterm=False), None)
print("hangs", flush=True)
while True:
    time.sleep(0.1)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["grace", "second"])
def test_a_step_that_does_not_end_is_left_after_the_grace_or_at_a_second_signal(
    start: Start, number: signal.Signals
) -> None:
    grace = 1.0 if number == signal.SIGTERM else 600.0
    process = start(str(grace), program=["-c", HANGING])
    assert process.stdout is not None and process.stdout.readline() == "hangs\n"
    process.send_signal(number)
    if number == signal.SIGINT:
        time.sleep(0.3)
        process.send_signal(number)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    (line,) = said.strip().splitlines()
    why = "SIGINT after SIGINT" if grace > 1 else "SIGTERM: the step was not finished and saved in 1 s"
    assert line == f"unimodal: {why}: ended at once; --ckpt_path last goes on from the checkpoint before"


def test_grace_is_checked() -> None:
    with pytest.raises(ValueError, match=r"stopping\.grace"):
        StopSignals(grace=0)
