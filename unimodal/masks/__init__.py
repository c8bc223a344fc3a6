"""Masks: which positions a query may look at."""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout


class Mask(ABC):
    """A pure function of positions.

    Laws: what it gives depends on nothing but its arguments; padding, other examples of a packed row and the unseen
    nodes of a tree are hidden by the cache's part, never here. None stands for "everything" and costs nothing.
    """

    @abstractmethod
    def visible(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"], layout: Layout
    ) -> Bool[Tensor, "#b t s"] | None:
        """Whether a query at its position sees a key at its; `layout` is the queries', a few of a long pass."""
