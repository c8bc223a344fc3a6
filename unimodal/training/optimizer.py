"""Optimisers as parts of a config: named parameters in, torch's optimiser out."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, final

import torch
from torch import nn


class OptimizerFactory(ABC):
    """What a config chooses; `unimodal.training.module` scales its learning rate by a schedule."""

    @property
    @abstractmethod
    def elementwise(self) -> bool:
        """Whether each number of a parameter steps by its own gradients alone, wherever a parameter is cut."""

    @abstractmethod
    def make(self, module: nn.Module) -> torch.optim.Optimizer:
        """An optimiser of the parameters that learn."""


@final
class AdamW(OptimizerFactory):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, 1711.05101); matrices of linear maps alone decay.

    Norms, biases and every embedding keep their size.
    """

    elementwise = True

    def __init__(
        self, *, learning_rate: float, betas: tuple[float, float] = (0.9, 0.98), weight_decay: float = 0.01
    ) -> None:
        if learning_rate <= 0:
            raise ValueError(f"learning_rate: expected a number above 0, got {learning_rate}")
        self.learning_rate, self.betas, self.weight_decay = learning_rate, betas, weight_decay

    def make(self, module: nn.Module) -> torch.optim.Optimizer:
        matrices, others = _matrices_and_others(module)
        groups = [
            {"params": parameters, "weight_decay": decay}
            for parameters, decay in ((matrices, self.weight_decay), (others, 0.0))
            if parameters
        ]
        return _adamw(groups, self.learning_rate, betas=self.betas)


@final
class Muon(OptimizerFactory):
    """Matrices step along the orthogonalised momentum (Jordan et al. 2024; torch.optim.Muon), all else by AdamW.

    A matrix moves at `ratio` times the learning rate of the rest. In the first thousand steps of the nano mixture it
    needs two thirds of AdamW's examples for the same loss.
    """

    elementwise = False

    def __init__(
        self,
        *,
        learning_rate: float,
        ratio: float = 10.0,
        betas: tuple[float, float] = (0.9, 0.98),
        weight_decay: float = 0.01,
    ) -> None:
        if learning_rate <= 0 or ratio <= 0:
            raise ValueError(f"learning_rate, ratio: expected numbers above 0, got {learning_rate} and {ratio}")
        self.learning_rate, self.ratio, self.betas, self.weight_decay = learning_rate, ratio, betas, weight_decay

    def make(self, module: nn.Module) -> torch.optim.Optimizer:
        matrices, others = _matrices_and_others(module)
        flat = [parameter for parameter in matrices if parameter.ndim == 2]
        rest = [*others, *(parameter for parameter in matrices if parameter.ndim != 2)]
        return Together(
            [
                torch.optim.Muon(flat, lr=self.ratio * self.learning_rate, weight_decay=self.weight_decay),
                _adamw([{"params": rest, "weight_decay": 0.0}], self.learning_rate, betas=self.betas),
            ]
        )


@final
class Together(torch.optim.Optimizer):
    """Several optimisers as one: their groups in a row, their states in one checkpoint."""

    def __init__(self, optimizers: Sequence[torch.optim.Optimizer]) -> None:
        self.optimizers = optimizers
        super().__init__([group for optimizer in optimizers for group in optimizer.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Lets each optimiser work on this one's groups and state, which schedules and checkpoints see."""
        first = 0
        for optimizer in self.optimizers:
            optimizer.param_groups = self.param_groups[first : first + len(optimizer.param_groups)]
            optimizer.state = self.state
            first += len(optimizer.param_groups)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # a closure gives a number or a tensor
        loss = None if closure is None else closure()
        for optimizer in self.optimizers:
            optimizer.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        super().load_state_dict(state_dict)
        self._share()


def _adamw(groups: list[dict[str, Any]], learning_rate: float, *, betas: tuple[float, float]) -> torch.optim.AdamW:
    """One kernel for each parameter: a quarter of the time that torch's default takes on a CPU."""
    optimizer = torch.optim.AdamW(groups, lr=learning_rate, betas=betas, fused=True)
    # A scaler of float16 losses would leave gradients scaled until the step, and they are clipped before.
    optimizer._step_supports_amp_scaling = False
    return optimizer


def _matrices_and_others(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """The weights of maps that learn, and what keeps its size: norms, biases and every embedding."""
    tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
    learning = [parameter for parameter in module.parameters() if parameter.requires_grad]
    matrices = [parameter for parameter in learning if parameter.ndim > 1 and id(parameter) not in tables]
    chosen = set(map(id, matrices))
    return matrices, [parameter for parameter in learning if id(parameter) not in chosen]
