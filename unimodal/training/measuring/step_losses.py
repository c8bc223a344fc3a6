"""What a step of several batches is said to have lost: on several processes, or over several batches on one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, final

import torch
from torch import Tensor

from unimodal.batching import Batch
from unimodal.objectives import Term

Sums = dict[str, tuple[float, int]]
"""{task/term: (sum, number) over the examples that have it}."""


@final
@dataclass(frozen=True)
class Step:
    """What is logged of a step: the mean loss of its batches, means over examples, and work done until it."""

    loss: float
    by_task: Mapping[str, float]
    entries: int
    real_share: float
    """Of all places of its batches, how many are no padding."""
    seconds: float


@final
class StepLosses:
    """Sums over the batches of a step; `gather` adds up those of all processes and begins anew.

    Two processes with a batch each and one with two log the same.
    """

    def __init__(self) -> None:
        self._batches: list[tuple[float, tuple[int, int], Sums]] = []

    def add(self, loss: float, entries: tuple[int, int], sums: Sums) -> None:
        """One batch: its loss, its entries without and with padding, its sums by task."""
        self._batches.append((loss, entries, sums))

    def gather(self, seconds: float, ranks: int) -> Step:
        """Of all processes, each of which has to call it; the first one's clock is everyone's.

        A learning rate that follows the clock has to be the same everywhere.
        """
        batches, self._batches = self._batches, []
        if ranks > 1:
            everyone: list[Any] = [None] * ranks
            torch.distributed.all_gather_object(everyone, (seconds, batches))
            seconds = everyone[0][0]
            batches = [batch for _, own in everyone for batch in own]
        whole: Sums = {}
        for _, _, sums in batches:
            for name, (value, num) in sums.items():
                before = whole.get(name, (0.0, 0))
                whole[name] = before[0] + value, before[1] + num
        entries, places = (sum(counts[padded] for _, counts, _ in batches) for padded in (0, 1))
        return Step(
            loss=sum(loss for loss, _, _ in batches) / len(batches),
            by_task={name: value / num for name, (value, num) in sorted(whole.items())},
            entries=entries,
            real_share=entries / places,
            seconds=seconds,
        )


def by_task(terms: Mapping[str, Term], tasks: tuple[str, ...]) -> Sums:
    """Of one batch, in one transfer from the device."""
    stacked = torch.stack([torch.stack([term.loss, term.has_target.to(term.loss.dtype)]) for term in terms.values()])
    sums: Sums = {}
    for name, (losses, present) in zip(terms, stacked.detach().tolist(), strict=True):
        for task, loss, has in zip(tasks, losses, present, strict=True):
            if has:
                value, num = sums.get(f"{task}/{name}", (0.0, 0))
                sums[f"{task}/{name}"] = value + loss, num + 1
    return sums


def is_of(task: str, tasks: tuple[str, ...], device: torch.device) -> Tensor:
    """Which of a batch's examples are of a task."""
    return torch.tensor([other == task for other in tasks], device=device)


def only_counted(terms: Mapping[str, Term], batch: Batch) -> dict[str, Term]:
    """Without what the examples lose that only stand in; gradients of zero still reach every net that they need."""
    if not batch.num_stand_ins:
        return dict(terms)
    counted = torch.arange(batch.num_examples) < batch.num_examples - batch.num_stand_ins
    return {
        name: replace(term, has_target=term.has_target & counted.to(term.has_target.device))
        for name, term in terms.items()
    }
