"""Every process holds the whole model, its gradients and its optimiser's state."""

from typing import final

from lightning.pytorch.strategies import DDPStrategy

from unimodal.training.distributed.strategies import Strategy, World
from unimodal.training.optimizer import OptimizerFactory


@final
class Replicated(Strategy):
    """Gradients are averaged over the processes (torch's DistributedDataParallel; Li et al. 2020, 2006.15704).

    A batch of a mixture does not need every net, and each process has another batch: at every step torch looks for the
    parameters that no gradient will reach.
    """

    uniform = False

    def ignored(self, precision: str) -> list[str]:
        return []

    def check(self, optimizer: OptimizerFactory) -> None:
        """Any can step: gradients are whole."""

    def make(self, world: World) -> DDPStrategy:
        return DDPStrategy(find_unused_parameters=True, gradient_as_bucket_view=True)
