"""Two processes take the steps of one that accumulates over two shards, and leave the same files."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.conftest import rows
from tests.unit.training.distributed.strategies.conftest import Launcher, Run, strategy_file, torchrun, two_machines

ONE = ("--data.batching.shards", "2", "--trainer.accumulate_grad_batches", "2")
SHORT = ("--trainer.max_steps", "8")
TASKS = ("code_summary", "table_qa")
BOTH_TASKS = (
    "--data.tasks",
    '{"code_summary": null, "table_qa": {"num_train": 300}}',
    "--data.batching.entries",
    "128",
)
# The parameters of a tiny model would all be too small to be cut, and its gradients would be one bucket.
CUT = {"stage": 3, "stage3_param_persistence_threshold": 0, "reduce_bucket_size": 2000}
BUCKETS = {"stage": 2, "reduce_bucket_size": 2000}


def losses(folder: Path) -> list[float]:
    return [float(row["train/loss"]) for row in rows(folder)]


def assert_same(found: Path, expected: Path, file: str, tolerance: float) -> None:
    ours, theirs = load_file(found / file), load_file(expected / file)
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name].shape == value.shape and ours[name].numel(), name
        if name.endswith("key.bias"):
            continue  # attention does not depend on it: Adam makes steps of what rounding left in its gradient
        torch.testing.assert_close(ours[name], value, atol=tolerance, rtol=0, msg=name)


def test_fifty_steps_are_those_of_one_process(alone: Run, together: Run, tmp_path: Path) -> None:
    expected = alone("alone", *ONE)
    cases: list[tuple[str, str, Launcher]] = [
        ("ddp", "ddp", two_machines),
        ("stage_2", "deepspeed_stage_2", two_machines),
        ("stage_3", strategy_file(tmp_path, zero_optimization=CUT), torchrun),
    ]
    assert len(losses(expected)) == 50 and losses(expected)[-1] < 0.8 * losses(expected)[0]
    for name, strategy, launcher in cases:
        found = together(name, "--trainer.strategy", strategy, launcher=launcher)
        assert losses(found) == pytest.approx(losses(expected), abs=1e-4), name
        assert_same(found, expected, "model.safetensors", 1e-5)
    # And not because every run is the same whatever it reads.
    other = alone("other", *SHORT)
    assert losses(other)[:8] != pytest.approx(losses(expected)[:8], abs=1e-4)


@pytest.mark.parametrize("stage", ["1", "2", "3"])
def test_the_saved_adapter_is_that_of_one_process(alone: Run, together: Run, tmp_path: Path, stage: str) -> None:
    base = alone("base", *SHORT)
    adapter = '{"class": "unimodal.adapters.lora.Lora", "targets": ["query", "up"], "rank": 2}'
    given = (*SHORT, "--model.source", str(base), "--model.adapter", adapter)
    expected = alone("expected", *ONE, *given)
    strategy = strategy_file(tmp_path, zero_optimization=CUT) if stage == "3" else stage
    found = together("found", "--trainer.strategy", strategy, *given)
    assert_same(found, expected, "adapter_model.safetensors", 1e-5)
    untrained = [name for name, value in load_file(found / "adapter_model.safetensors").items() if not value.any()]
    assert not untrained


@pytest.mark.parametrize("zero", [BUCKETS, CUT], ids=["stage_2", "stage_3"])
def test_processes_with_different_tasks_wait_for_each_other(
    together: Run, tmp_path: Path, zero: dict[str, int]
) -> None:
    """Batches are so small that many have one task alone, and so lack the other's net."""
    given = (*SHORT, *BOTH_TASKS, "--trainer.strategy", strategy_file(tmp_path, zero_optimization=zero))
    expected, found = together("expected", *given, *ONE, processes=1), together("found", *given)
    assert losses(found) == pytest.approx(losses(expected), abs=1e-4)
    by_task = [{name: row[f"train/{name}/cross_entropy"] for name in TASKS} for row in rows(found)]
    assert any(not all(seen.values()) for seen in by_task), "every step had both"
    assert [
        {name: pytest.approx(float(row[f"train/{name}/cross_entropy"] or 0), abs=1e-3) for name in TASKS}
        for row in rows(expected)
    ] == [{name: float(value or 0) for name, value in seen.items()} for seen in by_task]
