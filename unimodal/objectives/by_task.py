"""The losses of another objective, apart for each task."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import final

import torch

from unimodal.batching import Batch
from unimodal.hidden import Memory
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term


@final
class ByTask(Objective):
    """Each term of an objective, averaged over the examples of one task at a time and weighted by that task's weight.

    Where a batch has few examples of one task and many of another, they count as their weights say and not by their
    number. Examples of tasks that `weights` does not name have no loss.
    """

    def __init__(self, objective: Objective, *, weights: Mapping[str, float]) -> None:
        super().__init__()
        for task, weight in sorted(weights.items()):
            if not weight >= 0:
                raise ValueError(f"weights.{task}: expected a number from 0, got {weight}")
        self.objective, self.weights = objective, dict(weights)

    def prepare(self, batch: Batch) -> Batch:
        return self.objective.prepare(batch)

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return self.objective.needs_weights(batch)

    def offer(self, memories: Mapping[str, Memory], batch: Batch) -> Mapping[str, Memory]:
        return self.objective.offer(memories, batch)

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        found: dict[str, Term] = {}
        for name, term in self.objective.terms(model, output, batch).items():
            for task in sorted(self.weights.keys() & set(batch.tasks)):
                own = torch.tensor([other == task for other in batch.tasks], device=term.loss.device)
                found[f"{name}.{task}"] = replace(
                    term,
                    loss=term.loss.where(own, 0.0),
                    has_target=term.has_target & own,
                    weight=term.weight * self.weights[task],
                )
        return found
