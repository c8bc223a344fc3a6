"""Entry features: a vector for each entry of a net's pieces, of which units are clusters. The contract.

p pieces, l entries of a piece, f values
"""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from unimodal.batching import Pieces


class EntryFeatures(ABC):
    """Describes what stands at each entry. Nothing in it learns, and no checkpoint holds it.

    Laws: the array `hidden`, which says what a model is not shown, changes nothing; padding changes no real entry;
    nothing is drawn.
    """

    @abstractmethod
    def __call__(self, pieces: Pieces) -> Float[Tensor, "p l f"]:
        """The features of some pieces; what stands behind a piece's entries means nothing."""
