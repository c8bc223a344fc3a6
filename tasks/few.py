"""Any task with the first minutes of its labelled sound alone: how far a few labels go."""

from collections.abc import Sequence
from typing import final

from unimodal.tasks import Example, Task
from unimodal.tasks.clips import sound
from unimodal.tasks.wrapped import Wrapped


@final
class FewLabels(Wrapped):
    """Another task that is taught from `minutes` of its training sound; validation and test stay what they are.

    The same ones every time, since tasks mix their examples by a hash. A clip at several speeds counts once, as long as
    it is at the speed of 1, and comes at all of them.
    """

    def __init__(self, task: Task, *, minutes: float) -> None:
        super().__init__(task)
        if minutes <= 0:
            raise ValueError(f"minutes: expected a number above 0, got {minutes:g}")
        self.minutes = minutes

    def examples(self, split: str) -> Sequence[Example]:
        examples = self._task.examples(split)
        if split != "train":
            return examples
        left, taken = 60 * self.minutes, set()
        for example in examples:
            clip = _clip(example)
            if clip not in taken:
                seconds = sound(example.inputs["speech"]).seconds
                if seconds > left:
                    break
                taken.add(clip)
                left -= seconds
        return [example for example in examples if _clip(example) in taken]


def _clip(example: Example) -> str:
    """The key without the speed that it ends with."""
    return example.key.rpartition("@")[0] or example.key
