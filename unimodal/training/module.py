"""The one LightningModule: a model, an objective, an optimiser. Kinds of training differ in the objective alone."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import LightningModule
from torch import Tensor

from unimodal.adapters import Adapter
from unimodal.batching import Batch
from unimodal.build import build
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term, learn, total
from unimodal.spec import load_spec
from unimodal.training.data.module import TaskData
from unimodal.training.measuring.evaluation_losses import EvaluationLosses
from unimodal.training.measuring.metrics import log_once
from unimodal.training.measuring.step_losses import StepLosses, by_task, only_counted
from unimodal.training.optimizer import OptimizerFactory
from unimodal.training.schedule import Constant, Schedule

PACKAGE = Path(__file__).parents[1]


@final
class Learner(LightningModule):
    """Minimises an objective of a model; logs each term by task, entries per second and the learning rate."""

    def __init__(
        self,
        source: str,
        *,
        objective: dict[str, Any],
        optimizer: dict[str, Any],
        schedule: dict[str, Any] | None = None,
        adapter: dict[str, Any] | None = None,
        seed: int = 0,
    ) -> None:
        """`source` is a model's YAML file, for a new one, or its folder; with an `adapter` nothing else learns."""
        super().__init__()
        self.model = model_of(source)
        dim, space = self.model.embedding.embedding_dim, self.model.vocabulary
        self.objective = build(objective, Objective, where="model.objective", dim=dim, space=space)
        self.optimizer = build(optimizer, OptimizerFactory, where="model.optimizer")
        self.schedule = Constant() if schedule is None else build(schedule, Schedule, where="model.schedule")
        self.adapter = build(adapter, Adapter | None, where="model.adapter")
        if self.adapter is not None:
            self.adapter.attach(self.model)
        self.seed = seed
        self.seconds, self.entries = 0.0, 0
        """Of training so far, over all sessions of the run: the first process's clock, all processes' entries."""
        self._losses = StepLosses()
        self._began = 0.0
        self._gradient_norm: float | None = None
        self.last_losses: Mapping[str, float] = {}
        """Of the last whole step: {task/term: mean over its examples on all processes}."""
        self._measured = EvaluationLosses()

    def configure_optimizers(self) -> Any:
        optimizer = self.optimizer.make(self)
        scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: self.schedule.factor(step, self.seconds))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": scheduler, "interval": "step"}}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """The loss of one batch. Its noise (dropout, masks) is seeded by its place in its shard.

        So a resumed run repeats none, and the same batch has the same noise on whichever process.
        """
        accumulated = self.trainer.accumulate_grad_batches
        place = batch_idx % accumulated
        data = self.trainer.datamodule  # type: ignore[attr-defined]  # set by the trainer, not declared
        assert isinstance(data, TaskData)
        torch.manual_seed(data.shards.seed(self.seed, self.trainer.global_step * accumulated + place))
        self._gradient_norm = None
        terms = self._terms(batch)
        loss = total(terms)
        self._losses.add(float(loss.detach()), (batch.num_entries, batch.num_places), by_task(terms, batch.tasks))
        if place + 1 == accumulated:
            self._log_step(batch.num_examples)
        return loss

    def measure_gradients(self) -> float:
        """The norm of all gradients of a step, measured once; 0 where a strategy keeps them to itself (DeepSpeed)."""
        if self._gradient_norm is None:
            gradients = [parameter.grad for parameter in self.parameters() if parameter.grad is not None]
            self._gradient_norm = float(torch.nn.utils.get_total_norm(gradients)) if gradients else 0.0
        return self._gradient_norm

    def configure_gradient_clipping(
        self,
        optimizer: Any,  # DeepSpeed's is none of torch's
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """As Lightning, but the norm is not measured a second time, and gradients below it are left alone."""
        if gradient_clip_algorithm not in (None, "norm"):
            self.clip_gradients(optimizer, gradient_clip_val, gradient_clip_algorithm)
        elif gradient_clip_val and (norm := self.measure_gradients()) > gradient_clip_val:
            torch.nn.utils.clip_grads_with_norm_(self.parameters(), gradient_clip_val, torch.tensor(norm))

    def on_train_start(self) -> None:
        self._began = time.perf_counter()

    def on_validation_epoch_start(self) -> None:
        self._begin_evaluation()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        self._measure(batch)

    def on_validation_epoch_end(self) -> None:
        self._log_evaluation("validation")

    def on_test_epoch_start(self) -> None:
        self._begin_evaluation()

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        self._measure(batch)

    def on_test_epoch_end(self) -> None:
        self._log_evaluation("test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["progress"] = {"seconds": self.seconds, "entries": self.entries}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self.seconds, self.entries = checkpoint["progress"]["seconds"], checkpoint["progress"]["entries"]

    def _terms(self, batch: Batch) -> dict[str, Term]:
        return only_counted(learn(self.model, self.objective, batch), batch)

    def _log_step(self, num_examples: int) -> None:
        now = time.perf_counter()
        whole = self._losses.gather(self.seconds + now - self._began, self.trainer.world_size)
        self.seconds, self._began = whole.seconds, now
        self.entries += whole.entries
        self.last_losses = whole.by_task
        every = self.trainer.log_every_n_steps  # type: ignore[attr-defined]  # set by the trainer, not declared
        if every and not (self.trainer.global_step + 1) % every:
            log_once(self, {f"train/{name}": mean for name, mean in whole.by_task.items()})
        rate = self.trainer.optimizers[0].param_groups[0]["lr"]
        speed = {"entries_per_second": self.entries / self.seconds} if self.seconds else {}
        measured = {"train/loss": whole.loss, "learning_rate": rate, **speed, "real_share": whole.real_share}
        self.log_dict(measured, batch_size=num_examples)

    def _begin_evaluation(self) -> None:
        self._measured = EvaluationLosses()
        torch.manual_seed(self.seed)  # some nets draw in evaluation too; training seeds every step anew

    def _measure(self, batch: Batch) -> None:
        terms = self._terms(batch)
        if batch.counted:
            self._measured.add(terms, batch.tasks)

    def _log_evaluation(self, split: str) -> None:
        means = self._measured.means(self.trainer.world_size)
        self.log_dict({f"{split}/{name}": mean for name, mean in means.items()})


def model_of(source: str) -> UnimodalForConditionalGeneration:
    """A new model from a YAML file (yours, or one that comes with the package), or the model of a folder."""
    if (Path(source) / "config.json").is_file():
        model: UnimodalForConditionalGeneration
        model = UnimodalForConditionalGeneration.from_pretrained(source, use_safetensors=True)
        model.train()
        return model
    path = Path(source)
    if path.is_dir():
        raise ValueError(f"model.source: {source} holds no config.json, so it is no model")
    if not path.exists() and (PACKAGE / source).is_file():
        path = PACKAGE / source
    spec = load_spec(path)
    if unknown := sorted(set(spec) - {"spec", "readouts", "readout_memories", "processors"}):
        raise ValueError(f"{path}: {', '.join(unknown)}: a model's file has spec, readouts and processors")
    return UnimodalForConditionalGeneration(UnimodalConfig(**spec))
