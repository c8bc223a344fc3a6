"""Plans: which block runs when, for which entries."""

from abc import ABC, abstractmethod
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from unimodal.layout import Layout


@runtime_checkable
class Run(Protocol):
    """What a plan is given to run blocks with."""

    num_blocks: int

    def __call__(self, block: int, x: Tensor, layout: Layout, depth: int) -> Tensor:
        """Runs a block on some entries; `depth` is the cache layer that it writes, so that a block may run twice."""
        ...


class Plan(ABC):
    """The order of a stack's blocks.

    Laws: with a cache it gives what it gives without; gradients with checkpointing equal those without.
    """

    @abstractmethod
    def forward(self, x: Float[Tensor, "b t d"], layout: Layout, run: Run) -> tuple[Float[Tensor, "b t d"], Layout]:
        """The stream after all blocks, and where its entries stand."""
