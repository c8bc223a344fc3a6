"""Communicators: how workers that train the same model, each on its own data, come to one model."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from unimodal.links.counted import Traffic


@final
@dataclass(frozen=True)
class LocalStep:
    """The part of a training step that needs nobody else."""

    loss: Callable[[], float]
    """Of this step's batch, forward only; may be called again and again."""
    differentiate: Callable[[], object]
    """Puts the gradients of that loss where the optimiser reads them."""
    update: Callable[[], object]
    """The optimiser's step with the gradients that are there."""


def local_step(loss: Callable[[], Tensor], optimizer: torch.optim.Optimizer) -> LocalStep:
    """A step of a plain loop: `loss` computes a batch's loss with its graph."""

    def measure() -> float:
        with torch.no_grad():
            return float(loss())

    def differentiate() -> None:
        optimizer.zero_grad()
        loss().backward()

    return LocalStep(loss=measure, differentiate=differentiate, update=optimizer.step)


class Communicator(ABC):
    """What a worker says to the others in a training step, and what it does with their answers.

    It exchanges the parameters that learn (`requires_grad`); buffers stay each worker's own.
    Laws: with one worker and settings that say so it equals local training; after `finish` all workers have the same
    bits; `traffic` is what was sent; a message that is lost is lost to all, counted, and harms no agreement.
    """

    @property
    @abstractmethod
    def traffic(self) -> Traffic:
        """What this worker has sent since `begin`."""

    @abstractmethod
    def begin(self, model: nn.Module, step: int = 0) -> None:
        """Meets the others with a model that has taken `step` steps.

        Raises ValueError where theirs is another, OSError where nobody is to be met.
        """

    @abstractmethod
    def step(self, model: nn.Module, step: int, local: LocalStep) -> None:
        """Takes the step number `step`, counted from 0, together with the others."""

    @abstractmethod
    def finish(self, model: nn.Module) -> None:
        """Gives the model what all workers agree on, and leaves."""
