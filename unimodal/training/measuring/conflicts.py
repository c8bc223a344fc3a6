"""Whether the tasks of a run pull its weights the same way.

k tasks of a batch, w chosen weights
"""

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from lightning.pytorch import Callback, LightningModule, Trainer
from torch import Tensor, nn

from unimodal.batching import Batch
from unimodal.objectives import Term, learn, total
from unimodal.training.distributed.gathering import is_cut
from unimodal.training.measuring.metrics import log_once
from unimodal.training.measuring.step_losses import is_of
from unimodal.training.module import Learner

FILE, CHART = "gradient_conflicts.json", "gradient_conflicts.svg"


@final
class GradientConflicts(Callback):
    """Every `every` steps, cosines between the gradients of the tasks in a batch (Yu et al. 2020, 2001.06782).

    A negative one is a conflict: a step for one task undoes the other's. `conflict/A~B` and `gradient_norm/A` are
    logged; means over the run are written to its folder, as numbers and as a heat map. Gradients are those with respect
    to parameters whose name matches one of `parameters`. The run itself takes the same steps: noise, buffers and
    gradients stay what they were. Only the first process's batches are looked at: those of the others are drawn alike,
    so their mean would be the same, and nobody has to wait. Where no process has whole parameters, nothing can be.
    """

    def __init__(self, *, every: int = 100, parameters: Sequence[str] = (r"^backbone\.",)) -> None:
        if every < 1:
            raise ValueError(f"every: expected 1 or more, got {every}")
        self.every, self.parameters = every, tuple(parameters)
        self._cosines: dict[tuple[str, str], list[float]] = defaultdict(list)

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert isinstance(pl_module, Learner)
        chosen = _chosen(pl_module.model, self.parameters)
        if not chosen:
            raise ValueError(f"parameters: no parameter that learns is called {' or '.join(self.parameters)}")
        if any(map(is_cut, chosen)):
            raise ValueError("GradientConflicts: the strategy cuts parameters among processes; use one that does not")

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Batch, batch_idx: int) -> None:
        begins = batch_idx % trainer.accumulate_grad_batches == 0
        if not begins or trainer.global_step % self.every or not trainer.is_global_zero or len(set(batch.tasks)) < 2:
            return
        assert isinstance(pl_module, Learner)
        gradients = gradients_by_task(pl_module, batch, self.parameters)
        cosines, norms = compare(gradients)
        named = {f"conflict/{one}~{other}": cosine for (one, other), cosine in cosines.items()}
        log_once(pl_module, {f"gradient_norm/{task}": norm for task, norm in norms.items()} | named)
        for pair, cosine in cosines.items():
            self._cosines[pair].append(cosine)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.is_global_zero and self._cosines:
            write(Path(trainer.default_root_dir), {pair: sum(c) / len(c) for pair, c in self._cosines.items()})

    def state_dict(self) -> dict[str, Any]:
        return {"cosines": dict(self._cosines)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._cosines.update(state_dict["cosines"])


def gradients_by_task(learner: Learner, batch: Batch, names: Sequence[str]) -> dict[str, Float[Tensor, " w"]]:
    """The gradient of each task's part of the loss, all chosen parameters in one row."""
    parameters = _chosen(learner.model, names)
    found = {}
    with _undone(learner), torch.enable_grad():
        terms = learn(learner.model, learner.objective, batch)
        for task in sorted(set(batch.tasks)):
            of_task = {name: _of_task(term, task, batch) for name, term in terms.items()}
            gradients = torch.autograd.grad(total(of_task), parameters, retain_graph=True, allow_unused=True)
            flat = [torch.zeros_like(p) if g is None else g for p, g in zip(parameters, gradients, strict=True)]
            found[task] = torch.cat([gradient.flatten().float() for gradient in flat])
    return found


def compare(
    gradients: Mapping[str, Float[Tensor, " w"]],
) -> tuple[dict[tuple[str, str], float], dict[str, float]]:
    """({(task, task): cosine}, {task: norm}); a task without any gradient has no cosine."""
    norms = {task: float(gradient.norm()) for task, gradient in gradients.items()}
    tasks = [task for task in gradients if norms[task] > 0]
    cosines = {
        (one, other): float(gradients[one] @ gradients[other]) / (norms[one] * norms[other])
        for place, one in enumerate(tasks)
        for other in tasks[place + 1 :]
    }
    return cosines, norms


def write(folder: Path, cosines: Mapping[tuple[str, str], float]) -> None:
    """The mean cosines as JSON, and as a heat map."""
    from unimodal.report.charts import cosines as draw

    named = {f"{one}~{other}": cosine for (one, other), cosine in sorted(cosines.items())}
    (folder / FILE).write_text(json.dumps(named, indent=1) + "\n", encoding="utf-8")
    tasks = sorted({task for pair in cosines for task in pair})
    values = torch.full((len(tasks), len(tasks)), torch.nan).fill_diagonal_(1.0)
    for (one, other), cosine in cosines.items():
        row, column = tasks.index(one), tasks.index(other)
        values[row, column] = values[column, row] = cosine
    (folder / CHART).write_text(str(draw(values, names=tasks, label="cosines between gradients")), encoding="utf-8")


def _chosen(model: nn.Module, names: Sequence[str]) -> list[nn.Parameter]:
    return [
        parameter
        for name, parameter in model.named_parameters()
        if parameter.requires_grad and any(re.search(pattern, name) for pattern in names)
    ]


def _of_task(term: Term, task: str, batch: Batch) -> Term:
    return Term(term.loss, term.has_target & is_of(task, batch.tasks, term.loss.device), term.weight)


@contextmanager
def _undone(module: nn.Module) -> Iterator[None]:
    """What is drawn and counted inside changes nothing afterwards."""
    before = {name: buffer.clone() for name, buffer in module.named_buffers()}
    with torch.random.fork_rng():
        yield
    with torch.no_grad():
        for name, buffer in module.named_buffers():
            buffer.copy_(before[name])
