"""A task that takes its examples from elsewhere than the task that it wraps."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from unimodal.codecs import Codec
from unimodal.task import Staged
from unimodal.tasks import Baseline, Example, Schema, Task


class Wrapped(Task):
    """Another task with other examples; prompt, codec and metric stay what they are; abstract."""

    def __init__(self, task: Task) -> None:
        self._task = task
        self.name, self.reads, self.writes, self.metric = task.name, task.reads, task.writes, task.metric
        self.tag = task.tag

    @property
    def staged(self) -> Staged | None:
        return self._task.staged

    @property
    def codec(self) -> Codec[Any] | None:
        return self._task.codec

    @property
    def schema(self) -> Schema:
        return self._task.schema

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return self._task.prompt(example)

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return self._task.read(paths, prompt)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return self._task.trivial(train)
