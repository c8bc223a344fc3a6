"""Optimisers as parts of a config: named parameters in, torch's optimiser out."""

from abc import ABC, abstractmethod
from typing import final

import torch
from torch import nn


class OptimizerFactory(ABC):
    """What a config chooses; `unimodal.training.module` scales its learning rate by a schedule."""

    @abstractmethod
    def make(self, module: nn.Module) -> torch.optim.Optimizer:
        """An optimiser of the parameters that learn."""


@final
class AdamW(OptimizerFactory):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019, 1711.05101); matrices of linear maps alone decay.

    Norms, biases and every embedding keep their size.
    """

    def __init__(
        self, *, learning_rate: float, betas: tuple[float, float] = (0.9, 0.98), weight_decay: float = 0.01
    ) -> None:
        if learning_rate <= 0:
            raise ValueError(f"learning_rate: expected a number above 0, got {learning_rate}")
        self.learning_rate, self.betas, self.weight_decay = learning_rate, betas, weight_decay

    def make(self, module: nn.Module) -> torch.optim.Optimizer:
        tables = {id(part.weight) for part in module.modules() if isinstance(part, nn.Embedding)}
        groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in module.parameters():
            if parameter.requires_grad:
                groups[parameter.ndim > 1 and id(parameter) not in tables].append(parameter)
        return torch.optim.AdamW(
            [
                {"params": parameters, "weight_decay": self.weight_decay if decays else 0.0}
                for decays, parameters in groups.items()
                if parameters
            ],
            lr=self.learning_rate,
            betas=self.betas,
            fused=True,
        )
