"""The processes each hold the model and train it alone, as far as a communicator lets them."""

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, final

import torch
from lightning.pytorch import Callback, LightningModule, Trainer
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor

from unimodal.communicators import Communicator, LocalStep
from unimodal.training.distributed.strategies import Strategy, World
from unimodal.training.optimizer import OptimizerFactory

TRAFFIC = "communication.json"


@final
class Communicating(Strategy):
    """A communicator decides what processes tell each other, in the place of averaged gradients.

    So they do not take one process's steps, unless the communicator averages gradients. What they log of a step is
    still gathered at every step, a few numbers that the communicator's traffic does not count. A checkpoint holds the
    first process's weights and optimiser: a run that goes on from it begins there on all, with the outer momentum at
    rest.
    """

    uniform = False

    def __init__(self, communicator: Communicator) -> None:
        self.communicator = communicator

    def ignored(self, precision: str) -> list[str]:
        return []

    def check(self, optimizer: OptimizerFactory) -> None:
        """Any can step: each process has whole gradients."""

    def make(self, world: World) -> DDPStrategy:
        return _Apart(self.communicator)


@final
class Agree(Callback):
    """Ends the exchange before anything else that happens at the end of training, and notes what was sent.

    The first process's count is in `communication.json`.
    """

    def __init__(self, communicator: Communicator) -> None:
        self.communicator = communicator

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        strategy = trainer.strategy
        assert isinstance(strategy, _Apart)
        if not strategy.has_begun:
            return  # a run that had nothing left to do
        self.communicator.finish(pl_module)
        if trainer.is_global_zero:
            said = json.dumps({"steps": trainer.global_step, **asdict(self.communicator.traffic)})
            Path(trainer.default_root_dir, TRAFFIC).write_text(said + "\n", encoding="utf-8")


@final
class _Apart(DDPStrategy):
    """Lightning's processes, ranks and collectives, but no gradient is averaged behind our back."""

    def __init__(self, communicator: Communicator) -> None:
        super().__init__()
        self.communicator = communicator
        self.has_begun = False
        """Whether a step was taken, so that there is something to agree on."""

    def configure_ddp(self) -> None:
        pass

    def backward(self, closure_loss: Tensor, *arguments: Any, **options: Any) -> Tensor:
        if not closure_loss.requires_grad:
            return closure_loss  # only the loss was asked for
        return super().backward(closure_loss, *arguments, **options)

    def optimizer_step(
        self,
        optimizer: torch.optim.Optimizer,
        closure: Callable[[], Any],
        model: LightningModule | torch.nn.Module | None = None,
        **options: Any,
    ) -> Any:
        module = self.lightning_module
        assert module is not None
        step = module.trainer.global_step
        if not self.has_begun:  # not before: a run that goes on has its weights only now
            self.communicator.begin(module, step)
            self.has_begun = True
        losses: list[Any] = []
        updates: list[Any] = []

        def measure() -> float:
            if module.trainer.accumulate_grad_batches > 1:
                raise ValueError("trainer.accumulate_grad_batches: without gradients a step has one batch")
            losses.append(closure())
            return float(losses[-1])

        def update() -> None:
            updates.append(self.precision_plugin.optimizer_step(optimizer, module, lambda: losses[-1], **options))

        local = LocalStep(loss=measure, differentiate=lambda: losses.append(closure()), update=update)
        self.communicator.step(module, step, local)
        if not updates:
            optimizer.zero_grad()
            optimizer.step()  # moves nothing, but its schedule counts steps
        return losses[-1]
