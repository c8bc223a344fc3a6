"""Losses that fall first and rise again while a run goes on."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, final

from lightning.pytorch import Trainer
from lightning.pytorch.utilities import rank_zero_warn

from unimodal.training.guards.losses import LossGuard, SuspiciousLoss


@dataclass
class _Course:
    """Of one loss: its running sum, the lowest mean and when it was reached, and for how long it has stood above."""

    sum: float = 0.0
    number: int = 0
    best: float = float("inf")
    at: int = 0
    above: int = 0
    spoken: bool = False


@final
class RisingLosses(LossGuard):
    """Warns once of each loss whose mean has stood more than `share` above its lowest for `steps` of its steps on end.

    The mean is exponential, over about `window` of the loss's own steps, and counts once it has seen as many. One term
    that comes back up drowns in the sum of several: SpeechT5's release trains on without a word.
    """

    def __init__(self, *, share: float = 0.1, steps: int = 500, window: int = 200) -> None:
        if share <= 0 or steps < 1 or window < 1:
            raise ValueError("share, steps, window: expected numbers above 0")
        self.share, self.steps, self.window = share, steps, window
        self._courses: dict[str, _Course] = {}

    def hear(self, trainer: Trainer, losses: Mapping[str, float]) -> None:
        kept = 1 - 1 / self.window
        for name, loss in losses.items():
            course = self._courses.setdefault(name, _Course())
            course.number += 1
            course.sum = kept * course.sum + (1 - kept) * loss
            mean = course.sum / (1 - kept**course.number)
            if course.number < self.window:
                continue
            if mean < course.best:
                course.best, course.at = mean, trainer.global_step - 1
            course.above = course.above + 1 if mean > course.best + self.share * abs(course.best) else 0
            if course.above == self.steps and not course.spoken:
                course.spoken = True
                rank_zero_warn(
                    f"step {trainer.global_step - 1}: {name} has risen to {mean:.3g} since step {course.at}, where it"
                    f" was {course.best:.3g} (means of about {self.window} steps)",
                    category=SuspiciousLoss,
                )

    def state_dict(self) -> dict[str, Any]:
        return {name: asdict(course) for name, course in self._courses.items()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._courses = {name: _Course(**course) for name, course in state_dict.items()}
