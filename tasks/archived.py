"""Any task on examples in archives, which may be more than memory or disk hold."""

import bisect
import itertools
from collections.abc import Sequence
from pathlib import Path
from typing import final, overload

from unimodal.data.archives import ArchiveFolder
from unimodal.data.blocks import Blocked
from unimodal.tasks import Example, Task
from unimodal.tasks.raw_values import example_of
from unimodal.tasks.wrapped import Wrapped


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
class Archived(Wrapped):
    """Another task whose training examples lie in archives that `unimodal archive` wrote; all else stays what it is.

    In a config: `asr: {class: unimodal.tasks.archived.Archived, task: {class: ...}, source: FOLDER}`.
    """

    def __init__(
        self, task: Task, *, source: str, copies: Path | None = None, copied_bytes: int = 50_000_000_000
    ) -> None:
        """`source`: a folder or an http address; `copies`: where archives are copied to, at most `copied_bytes`."""
        super().__init__(task)
        self.source, self.copies, self.copied_bytes = source, copies, copied_bytes

    def examples(self, split: str) -> Sequence[Example]:
        if split != "train":
            return self._task.examples(split)
        return ArchivedExamples(ArchiveFolder(self.source, cache=self.copies, cache_bytes=self.copied_bytes))
