"""Losses that say that something is wrong though training goes on."""

import statistics
from abc import abstractmethod
from collections import deque
from collections.abc import Mapping
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_warn

from unimodal.task import Task
from unimodal.training.guards import Guard
from unimodal.training.module import Learner

NORMAL = 1.4826
"""Standard deviations of a normal distribution in its median absolute deviation."""
FEWEST = 20
"""Losses of a task before one of them can be called high."""


class SuspiciousLoss(UserWarning):
    """A loss jumped, or a task does not learn."""


class LossGuard(Guard):
    """Hears the losses of every whole step; abstract."""

    @abstractmethod
    def hear(self, trainer: Trainer, losses: Mapping[str, float]) -> None:
        """{task/term: mean over its examples on all processes} of the step that has just ended."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if (batch_idx + 1) % trainer.accumulate_grad_batches == 0:
            assert isinstance(pl_module, Learner)
            self.hear(trainer, pl_module.last_losses)


@final
class LossSpikes(LossGuard):
    """Warns of a loss far above the task's last ones: `deviations` robust standard deviations above their median.

    The deviation is that of the median absolute deviation, at least `floor` of the median, so that neither single
    batches nor a loss that hardly varies count as spikes. A task that stays high is spoken of once until it has fallen.
    """

    def __init__(self, *, window: int = 100, deviations: float = 8.0, floor: float = 0.05) -> None:
        if window < FEWEST or deviations <= 0 or floor < 0:
            raise ValueError(f"window, deviations, floor: expected at least {FEWEST}, above 0, and from 0 up")
        self.window, self.deviations, self.floor = window, deviations, floor
        self._losses: dict[str, deque[float]] = {}
        self._high: set[str] = set()

    def hear(self, trainer: Trainer, losses: Mapping[str, float]) -> None:
        for name, loss in losses.items():
            known = self._losses.setdefault(name, deque(maxlen=self.window))
            if len(known) < FEWEST or not self._is_high(loss, known):
                self._high.discard(name)
            elif name not in self._high:
                self._high.add(name)
                rank_zero_warn(
                    f"step {trainer.global_step - 1}: {name} is {loss:.3g}, {statistics.median(known):.3g} in the"
                    f" {len(known)} steps before",
                    category=SuspiciousLoss,
                )
            known.append(loss)

    def state_dict(self) -> dict[str, Any]:
        return {"losses": {name: list(known) for name, known in self._losses.items()}, "high": sorted(self._high)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._losses = {name: deque(known, maxlen=self.window) for name, known in state_dict["losses"].items()}
        self._high = set(state_dict["high"])

    def _is_high(self, loss: float, known: deque[float]) -> bool:
        median = statistics.median(known)
        deviation = NORMAL * statistics.median(abs(value - median) for value in known)
        return loss > median + self.deviations * max(deviation, self.floor * abs(median))


@final
class DeadTasks(LossGuard):
    """Warns once of each task that has no example in the first `steps` steps, or whose loss has not fallen after them.

    Fallen is a median over the last quarter of a task's first `steps` losses that lies below that of the first quarter
    by more than both vary (the error of a median is about 1.25 deviations over the root of their number). A loss that
    is always 0 has no gradient and counts as not fallen.
    """

    def __init__(self, *, steps: int = 1000) -> None:
        if steps < FEWEST:
            raise ValueError(f"steps: expected at least {FEWEST}, got {steps}")
        self.steps = steps
        self._losses: dict[str, list[float]] = {}
        self._judged: set[str] = set()

    def hear(self, trainer: Trainer, losses: Mapping[str, float]) -> None:
        for name, loss in losses.items():
            if name not in self._judged:
                known = self._losses.setdefault(name, [])
                known.append(loss)
                if len(known) == self.steps:
                    self._judge(name, known)
        if trainer.global_step == self.steps:
            tasks = trainer.datamodule.tasks  # type: ignore[attr-defined]  # set by the trainer, not declared
            seen = {name.partition("/")[0] for name in (*self._losses, *self._judged)}
            for task in sorted(_taught(tasks) - seen):
                _warn(f"task {task} had no example in the first {self.steps} steps")

    def state_dict(self) -> dict[str, Any]:
        return {"losses": {name: list(losses) for name, losses in self._losses.items()}, "judged": sorted(self._judged)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._losses = {name: list(losses) for name, losses in state_dict["losses"].items()}
        self._judged = set(state_dict["judged"])

    def _judge(self, name: str, losses: list[float]) -> None:
        self._judged.add(name)
        del self._losses[name]
        quarter = len(losses) // 4
        first, last = losses[:quarter], losses[-quarter:]
        fallen = statistics.median(first) - statistics.median(last)
        if not any(losses):
            _warn(f"{name} was 0 in all of its {len(losses)} steps: nothing is learned from it")
        elif fallen <= 2 * (_error(first) ** 2 + _error(last) ** 2) ** 0.5:
            _warn(
                f"{name} has not fallen in {len(losses)} steps: {statistics.median(first):.3g} at first,"
                f" {statistics.median(last):.3g} at last"
            )


def _error(losses: list[float]) -> float:
    """Of the median, from the median absolute deviation."""
    median = statistics.median(losses)
    return float(1.25 * NORMAL * statistics.median(abs(loss - median) for loss in losses) / len(losses) ** 0.5)


def _warn(line: str) -> None:
    rank_zero_warn(line, category=SuspiciousLoss)


def _taught(tasks: Mapping[str, Task]) -> set[str]:
    """The names under which their losses are heard."""
    return {name if part is task else part.name for name, task in tasks.items() for part in task.taught}
