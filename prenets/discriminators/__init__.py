"""Discriminators: nets that learn to tell recorded sound from made sound, and teach whoever makes it."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor, nn


class Discriminator(nn.Module, ABC):
    """Hears samples its own way. Laws: a row's answer does not depend on the others; every weight learns."""

    @abstractmethod
    def forward(self, samples: Float[Tensor, "b n"]) -> list[Float[Tensor, "b *shape"]]:
        """What each layer heard; the last one says how recorded each place sounds, 1 or 0 where it is sure."""
