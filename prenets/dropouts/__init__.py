"""When values are dropped at random inside a net that writes frame by frame."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn


class Dropout(nn.Module, ABC):
    """Values -> some of them 0, the rest scaled up, so that the expectation stays."""

    @abstractmethod
    def forward(self, x: Float[Tensor, "*shape"], steps: Int[Tensor, "p l"] | None = None) -> Float[Tensor, "*shape"]:
        """One draw from torch's random state, or nothing at all; `steps` numbers the entries of each piece from 0."""
