"""Strategies: how the processes of a run share its work and its memory."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from lightning.pytorch.strategies import Strategy as LightningStrategy

from unimodal.training.optimizer import OptimizerFactory


@dataclass(frozen=True)
class World:
    """The processes of a run: how many there are, whether on CPUs, and the precision that they compute in."""

    processes: int
    cpu: bool
    precision: str


class Strategy(ABC):
    """What a word of a config means, on CPUs as on GPUs.

    Laws: n processes take the steps of one process that accumulates over n shards; what a run leaves (a model, an
    adapter) is whole and the same.
    """

    @property
    @abstractmethod
    def uniform(self) -> bool:
        """Whether every process has to run the same nets at every step, since they wait for each other in each."""

    @abstractmethod
    def ignored(self, precision: str) -> list[str]:
        """What the user's file for this strategy says, but the run's config decides."""

    @abstractmethod
    def check(self, optimizer: OptimizerFactory) -> None:
        """Raises ValueError for an optimiser that cannot step under this strategy."""

    @abstractmethod
    def make(self, world: World) -> LightningStrategy | str:
        """What Lightning's trainer is given."""
