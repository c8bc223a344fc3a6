"""Answers that are written side by side: which of them still run, and what the steps gave each.

r rows of a step, s rows that go on
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@final
class Rows:
    """One row for each answer that still runs. What steps write is kept whole, and parted by answer at the end."""

    def __init__(self, answers: int) -> None:
        self._answers = answers
        self._steps: list[tuple[Tensor, Mapping[str, Tensor]]] = []
        self.running: Int[Tensor, " r"] = torch.arange(answers)
        """The number of the answer that each row writes."""

    def write(self, step: Mapping[str, Tensor]) -> None:
        """Keeps what a step wrote, arrays [r, ...] by name."""
        self.running = self.running.to(next(iter(step.values())).device)
        self._steps.append((self.running, step))

    def keep(self, going: Bool[Tensor, " r"]) -> Int[Tensor, " s"] | None:
        """Drops the other rows. The rows that go on (old numbers); None: all do, which costs one transfer to know."""
        if going.all():
            return None
        rows = going.nonzero()[:, 0]
        self.running = self.running[rows]
        return rows

    def last(self) -> tuple[Int[Tensor, " r"], Mapping[str, Tensor]]:
        """The last step: the number of each row's answer, and what was written."""
        return self._steps[-1]

    def parted(self) -> list[dict[str, Tensor]]:
        """For each answer what its steps wrote, {name: [steps, ...]}; nothing where no step was taken."""
        if not self._steps:
            return [{} for _ in range(self._answers)]
        numbers = torch.cat([running for running, _ in self._steps])
        order = numbers.argsort(stable=True)
        lengths = numbers.bincount(minlength=self._answers).tolist()
        parts = {
            name: torch.cat([step[name] for _, step in self._steps])[order].split(lengths) for name in self._steps[0][1]
        }
        return [{name: part[answer] for name, part in parts.items()} for answer in range(self._answers)]
