"""Feed-forwards: what a block does to each entry by itself."""

from abc import ABC, abstractmethod
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn


class FeedForward(nn.Module, ABC):
    """Law: an entry's output depends on that entry alone. The constructor's first parameter is the width `dim`."""

    same_input: ClassVar[tuple[tuple[str, ...], ...]] = ()
    """Groups of its linear maps that read one and the same tensor (`unimodal.rewrites.joined`)."""

    @abstractmethod
    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        """The entries, each transformed."""
