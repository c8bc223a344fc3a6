"""What needs no thought."""

from typing import final

from lightning.pytorch.strategies import DDPStrategy

from unimodal.training.distributed.strategies import Strategy, World
from unimodal.training.distributed.strategies.replicated import Replicated
from unimodal.training.optimizer import OptimizerFactory


@final
class Automatic(Strategy):
    """One process works alone; several each hold the whole model."""

    uniform = False

    def ignored(self, precision: str) -> list[str]:
        return []

    def check(self, optimizer: OptimizerFactory) -> None:
        """Any can step."""

    def make(self, world: World) -> DDPStrategy | str:
        return "auto" if world.processes == 1 else Replicated().make(world)
