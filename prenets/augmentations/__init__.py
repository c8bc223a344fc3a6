"""What a prenet does to its features in training only, so that few recordings go further."""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor


class Augmentation(ABC):
    """Features of p pieces -> features of the same shape, drawn anew at every call from torch's random state.

    Laws: the shape stays; padding is never read; values that are kept are kept exactly.
    """

    @abstractmethod
    def __call__(self, features: Float[Tensor, "p t f"], lengths: Int[Tensor, " p"]) -> Float[Tensor, "p t f"]:
        """One draw; `lengths` are the real first dimensions."""
