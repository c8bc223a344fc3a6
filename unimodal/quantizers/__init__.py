"""Quantizers: states -> entries of a finite set, with gradients. The contract.

n states, d width, g groups
"""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn


class Quantizer(nn.Module, ABC):
    """Constructed with the width `dim`.

    Laws: as wide as it reads; in evaluation nothing is drawn, and what a state becomes depends on it alone and is a
    function of its codes; in training gradients reach the states and the entries.
    """

    @abstractmethod
    def forward(self, states: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        """The entries that stand for the states."""

    @abstractmethod
    def codes(self, states: Float[Tensor, "n d"]) -> Int[Tensor, "n g"]:
        """The numbers of the likeliest entries."""

    @abstractmethod
    def unevenness(self, states: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        """A loss of all states together: 0 where they use all entries alike, nearly 1 where they use one."""
