"""Any task on examples in archives, which may be more than memory or disk hold."""

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final, overload

from unimodal.archives import ArchiveFolder
from unimodal.blocks import Blocked
from unimodal.codecs import Codec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.raw_values import example_of


@final
class ArchivedExamples(Blocked):
    """The examples of a folder of archives, each archive a block; nothing is read before an example is asked for."""

    def __init__(self, folder: ArchiveFolder) -> None:
        self._folder = folder
        self._ends = list(itertools.accumulate(archive.examples for archive in folder.archives))

    @property
    def blocks(self) -> Sequence[int]:
        return [archive.examples for archive in self._folder.archives]

    def __len__(self) -> int:
        return self._ends[-1]

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: "int | slice") -> "Example | list[Example]":
        if isinstance(index, slice):
            return [self[place] for place in range(len(self))[index]]
        place = range(len(self))[index]
        archive = bisect.bisect(self._ends, place)
        return example_of(self._folder.read(archive, place - self._ends[archive] + self.blocks[archive]))


@final
class Archived(Task):
    """Another task whose training examples lie in archives that `unimodal archive` wrote; all else stays what it is.

    In a config: `asr: {class: unimodal.tasks.archived.Archived, task: {class: ...}, source: FOLDER}`.
    """

    def __init__(
        self, task: Task, *, source: str, copies: Path | None = None, copied_bytes: int = 50_000_000_000
    ) -> None:
        """`source`: a folder or an http address; `copies`: where archives are copied to, at most `copied_bytes`."""
        self._task, self.source, self.copies, self.copied_bytes = task, source, copies, copied_bytes
        self.name, self.reads, self.writes, self.metric = task.name, task.reads, task.writes, task.metric

    @property
    def codec(self) -> Codec[Any] | None:
        return self._task.codec

    @property
    def schema(self) -> Schema:
        return self._task.schema

    def examples(self, split: str) -> Sequence[Example]:
        if split != "train":
            return self._task.examples(split)
        return ArchivedExamples(ArchiveFolder(self.source, cache=self.copies, cache_bytes=self.copied_bytes))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return self._task.prompt(example)

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return self._task.read(paths, prompt)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return self._task.trivial(train)
