"""Runs whose processes tell each other what a communicator says, chosen by a line of the config."""

import json
import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.unit.training.conftest import rows
from tests.unit.training.distributed.strategies.conftest import Run
from unimodal.agreement import DIGEST
from unimodal.cli import main as command_line
from unimodal.wire_formats.three_bit_exponent import ThreeBitExponent

ONE = ("--data.batching.shards", "2", "--trainer.accumulate_grad_batches", "2")
SHORT = ("--trainer.max_steps", "9")
COMMUNICATORS = "unimodal.communicators"


def traffic(folder: Path) -> dict[str, int]:
    found: dict[str, int] = json.loads((folder / "communication.json").read_text())
    return found


def test_gradients_at_every_step_are_the_steps_of_one_process(alone: Run, together: Run) -> None:
    expected = alone("alone", *ONE, *SHORT)
    found = together("found", *SHORT, "--communicator.class", f"{COMMUNICATORS}.all_reduce.AllReduce")
    losses = [[float(row["train/loss"]) for row in rows(folder)] for folder in (found, expected)]
    assert len(losses[0]) == 9 and losses[0] == pytest.approx(losses[1], abs=1e-4)
    ours, theirs = (load_file(folder / "model.safetensors") for folder in (found, expected))
    for name, value in theirs.items():
        if not name.endswith("key.bias"):  # attention does not depend on it
            torch.testing.assert_close(ours[name], value, atol=1e-3, rtol=0, msg=name)
    sent = traffic(found)
    assert sent["messages"] == sent["steps"] == 9 and sent["bytes"] == 9 * sent["peak"] and sent["missing"] == 0


def test_fragments_send_half_a_byte_of_each_parameter_in_a_period(alone: Run, together: Run) -> None:
    """With losses injected by the config; both processes end with one model, as the next run's start checks."""
    link = {"class": "unimodal.links.unreliable.Unreliable", "dropout": 0.3, "seconds": 0.01}
    arguments = ("--communicator.class", f"{COMMUNICATORS}.fragments.Fragments", "--communicator.period", "4")
    arguments = (*arguments, "--communicator.num_fragments", "2", "--communicator.link", json.dumps(link))
    found = together("found", *SHORT, *arguments)
    model, sent = load_file(found / "model.safetensors"), traffic(found)
    once = sum(ThreeBitExponent().num_bytes(value.numel()) for value in model.values())
    # Steps 2, 6 and 4, 8 of 9, and both fragments once more at the end.
    assert sent["messages"] == 6 and sent["bytes"] == 3 * once and sent["missing"] >= 1
    assert once / 3 < sent["peak"] < once
    start = load_file(alone("start", "--trainer.max_steps", "1") / "model.safetensors")
    assert any(not torch.equal(value, start[name]) for name, value in model.items())


def test_slopes_of_an_adapter_take_a_byte_each(alone: Run, together: Run) -> None:
    base = alone("base", *SHORT)
    adapter = '{"class": "unimodal.adapters.lora.Lora", "targets": ["query", "up"], "rank": 2}'
    given = ("--model.source", str(base), "--model.adapter", adapter, "--trainer.max_steps", "5")
    communicator = {"class": f"{COMMUNICATORS}.shared_directions.SharedDirections", "learning_rate": 0.01}
    found = together("found", *given, "--communicator", json.dumps({**communicator, "num_samples": 3}))
    assert traffic(found)["bytes"] == 5 * 3 + DIGEST
    up = [value for name, value in load_file(found / "adapter_model.safetensors").items() if "lora_B" in name]
    assert up and all(value.abs().max() > 0 for value in up)
    assert len(rows(found)) == 5


MISTAKES = {
    "two strategies": (["--trainer.strategy", "ddp"], r"trainer.strategy: ddp: the communicator is the strategy"),
    "misspelt": (["--communicator.perod", "4"], r"communicator.perod: .*did you mean 'period'"),
    "too short a period": (["--communicator.period", "2"], r"num_fragments: expected 1 to period \(2\), got 4"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_one_line(name: str, config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments, message = MISTAKES[name]
    given = ["fit", "--config", str(config), "--trainer.default_root_dir", str(tmp_path)]
    given += ["--communicator.class", f"{COMMUNICATORS}.fragments.Fragments", *arguments]
    assert command_line(given) == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert re.search(message, line), line
