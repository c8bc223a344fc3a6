"""Any task on a user's own examples."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, final

from unimodal.data.columns import Files
from unimodal.data.manifest import Division, Row, digest, groups, read_rows
from unimodal.tasks import Example, Task
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.wrapped import Wrapped


@final
class OwnData(Wrapped):
    """Another task whose examples stand in a manifest; prompt, codec and metric stay what they are.

    `division` is the file that says which lines are trained on and which are held out; there are none for validation.
    Sounds, pictures and tables are read when their example is asked for. A row of `asr`:

        {"speech": "clips/0001.wav", "answer": "Your message has been forwarded."}
    """

    def __init__(
        self, task: Task, *, manifest: Path, division: Path, outside: bool = False, tag: str | None = None
    ) -> None:
        """`outside`: whether rows may name files outside the manifest's folder; `tag`: another than the task's."""
        super().__init__(task)
        self.manifest, self.division = manifest, division
        self.tag = task.tag if tag is None else tag
        self._files = Files(manifest.parent, outside)

    def examples(self, split: str) -> Sequence[Example]:
        division = Division.load(self.division)
        if division.sha256 != digest(self.manifest):
            raise ValueError(f"{self.manifest}: is not what it was when {self.division} was written")
        lines = {"train": division.train, "validation": (), "test": division.test}[split]
        versions = self.schema.versions if split == "train" else ({},)

        def example(number: int) -> Example:
            place, version = divmod(number, len(versions))
            row = self._rows[lines[place]]
            return self.example(row, self._groups[row.line], versions[version], f"{row.line}.{version}")

        return OnDemand(example, length=len(lines) * len(versions))

    def example(self, row: Row, group: str, version: Any, item: str) -> Example:
        """One row as the task's own example."""
        found = self.schema.example(row.values, self._files, f"{group}#{item}")
        return Example(found.key, {**found.inputs, **version}, found.answer)

    @cached_property
    def _rows(self) -> dict[int, Row]:
        return {row.line: row for row in read_rows(self.manifest)[0]}

    @cached_property
    def _groups(self) -> dict[int, str]:
        return groups(list(self._rows.values()), self.schema.inputs)
