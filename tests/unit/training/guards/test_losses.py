"""Losses that jump or do not fall are spoken of once; losses as of real runs are not."""

import json
import math
import random
import statistics
import warnings
from collections.abc import Callable, Mapping, Sequence
from types import SimpleNamespace
from unittest.mock import Mock

import pytest
from lightning.pytorch import Trainer

from unimodal.task import Task
from unimodal.training.guards import Guard
from unimodal.training.guards.losses import DeadTasks, LossSpikes, SuspiciousLoss
from unimodal.training.module import Learner

NOISE = 0.2


class Told(Trainer):
    """A trainer that has come to some step, with some losses."""

    global_step = 0
    accumulate_grad_batches = 1

    def __init__(self, tasks: Sequence[str]) -> None:
        self.datamodule = SimpleNamespace(tasks={name: task_of(name) for name in tasks})
        self.learner = Learner.__new__(Learner)

    def tell(self, guard: Guard, losses: Mapping[str, float]) -> None:
        object.__setattr__(self.learner, "last_losses", losses)
        self.global_step += 1
        guard.on_train_batch_end(self, self.learner, None, None, self.global_step - 1)


def task_of(name: str) -> Task:
    """One that is taught by its own name."""
    task = Mock(spec=Task)
    task.name, task.taught = name, (task,)
    return task


def falling(steps: int, seed: int = 0) -> list[float]:
    """As of a real run: fast at first, with noise in proportion."""
    draw = random.Random(seed)
    return [(1 + 5 / (1 + step / 50)) * draw.lognormvariate(0, NOISE) for step in range(steps)]


def said(guard: Guard, losses: Mapping[str, Sequence[float]], tasks: Sequence[str] = ()) -> list[str]:
    """What a guard says of losses by name, a step after the other; nan: none at this step."""
    told = Told(tasks)
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always", SuspiciousLoss)
        for step in range(max(map(len, losses.values()))):
            told.tell(guard, {name: row[step] for name, row in losses.items() if not math.isnan(row[step])})
    return [str(warning.message) for warning in heard]


@pytest.mark.parametrize("seed", range(5))
def test_noise_is_no_spike(seed: int) -> None:
    assert said(LossSpikes(), {"asr/cross_entropy": falling(2000, seed)}) == []


def test_a_spike_is_named_once_with_step_task_and_value() -> None:
    losses = falling(400)
    losses[200:203] = [30.0, 28.0, 31.0]
    losses[300] = 12.0
    (first, second) = said(LossSpikes(), {"asr/cross_entropy": losses, "tts/frames": falling(400, 1)})
    before = statistics.median(losses[100:200])
    assert first == f"step 200: asr/cross_entropy is 30, {before:.3g} in the 100 steps before"
    assert second.startswith("step 300: asr/cross_entropy is 12,")


def test_a_loss_that_hardly_varies_does_not_spike_by_a_little() -> None:
    losses = [2.0 + 1e-6 * (step % 3) for step in range(200)]
    losses[150] = 2.1
    assert said(LossSpikes(), {"asr/cross_entropy": losses}) == []


def test_a_resumed_guard_knows_what_it_saw() -> None:
    losses = falling(120)
    first, second = LossSpikes(), LossSpikes()
    assert said(first, {"asr/cross_entropy": losses}) == []
    second.load_state_dict(json.loads(json.dumps(first.state_dict())))
    assert len(said(second, {"asr/cross_entropy": [40.0]})) == 1
    dead, resumed = DeadTasks(steps=100), DeadTasks(steps=100)
    assert said(dead, {"asr/cross_entropy": [3.0] * 60}) == []
    resumed.load_state_dict(json.loads(json.dumps(dead.state_dict())))
    assert len(said(resumed, {"asr/cross_entropy": [3.0] * 40})) == 1


def test_tasks_that_do_not_learn_are_named_once() -> None:
    draw = random.Random(0)
    dead = [3 * draw.lognormvariate(0, NOISE) for _ in range(500)]
    rare = [math.nan if step % 3 else 4.0 for step in range(500)]  # has not been seen often enough
    losses = {
        "asr/cross_entropy": falling(500),
        "lid/cross_entropy": dead,
        "tts/frames": [0.0] * 500,
        "caption/cross_entropy": rare,
    }
    lines = said(DeadTasks(steps=400), losses, ["asr", "lid", "tts", "caption", "read"])
    assert len(lines) == 3
    assert any(line.startswith("lid/cross_entropy has not fallen in 400 steps: ") for line in lines)
    assert "tts/frames was 0 in all of its 400 steps: nothing is learned from it" in lines
    assert "task read had no example in the first 400 steps" in lines


@pytest.mark.parametrize("make", [lambda: LossSpikes(window=3), lambda: DeadTasks(steps=3)])
def test_windows_that_are_too_short_are_refused(make: Callable[[], Guard]) -> None:
    with pytest.raises(ValueError, match="expected at least"):
        make()


def test_of_an_answer_in_stages_the_parts_are_awaited() -> None:
    whole = Mock(spec=Task)
    whole.taught = (task_of("word_points"), task_of("word_text"))
    told = Told([])
    told.datamodule.tasks["spotting"] = whole
    with pytest.warns(SuspiciousLoss) as warned:
        guard = DeadTasks(steps=40)
        for loss in falling(40):
            told.tell(guard, {"word_points/cross_entropy": loss})
    lines = [str(one.message) for one in warned]
    assert "task word_text had no example in the first 40 steps" in lines
    assert not any("task spotting" in line or "task word_points" in line for line in lines)
