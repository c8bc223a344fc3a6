"""Losses of an evaluation: sums over its batches, means over its examples, whichever process has seen them."""

from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor

from unimodal.objectives import Term
from unimodal.training.measuring.step_losses import is_of


@final
class EvaluationLosses:
    """Adds up each term by task; `means` adds up those of all processes and begins anew."""

    def __init__(self) -> None:
        self._sums: dict[tuple[str, str], Tensor] = {}
        self._weights: dict[str, float] = {}

    def add(self, terms: Mapping[str, Term], tasks: tuple[str, ...]) -> None:
        """One batch; what it adds stays on its device."""
        for name, term in terms.items():
            self._weights[name] = float(term.weight)
            for task in set(tasks):
                chosen = term.has_target & is_of(task, tasks, term.loss.device)
                sums = torch.stack([(term.loss * chosen).sum(), chosen.sum().to(term.loss.dtype)]).detach()
                self._sums[task, name] = self._sums.get((task, name), torch.zeros_like(sums)) + sums

    def means(self, ranks: int) -> dict[str, float]:
        """{task/term: mean, loss: mean over tasks of their weighted terms}; every process has to call it.

        A process may have seen no example of a task: names are gathered with the sums.
        """
        own = {key: (*sums.tolist(), self._weights[key[1]]) for key, sums in self._sums.items()}
        self._sums = {}
        everyone: list[Any] = [own]
        if ranks > 1:
            everyone = [None] * ranks
            torch.distributed.all_gather_object(everyone, own)
        whole: dict[tuple[str, str], tuple[float, float, float]] = {}
        for found in everyone:
            for key, (value, num, weight) in found.items():
                before = whole.get(key, (0.0, 0.0, weight))
                whole[key] = before[0] + value, before[1] + num, weight
        means = {key: (value / num, weight) for key, (value, num, weight) in sorted(whole.items()) if num}
        by_task: dict[str, float] = {}
        for (task, _), (mean, weight) in means.items():
            by_task[task] = by_task.get(task, 0.0) + weight * mean
        if not by_task:
            return {}
        named = {f"{task}/{name}": mean for (task, name), (mean, _) in means.items()}
        return {"loss": sum(by_task.values()) / len(by_task), **named}
