"""Feeds: what an encoder of a cascade reads of all that was encoded before it.

b rows, t entries, d width
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from jaxtyping import Float
from torch import Tensor

from unimodal.hidden import Memory
from unimodal.layout import Layout

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


class Feed(ABC):
    """A choice of entries, without parameters of its own.

    Laws: an example's entries depend on its own entries of the memories alone, neither on padding nor on neighbours in
    a packed row; they are as wide as the memories; nothing is read but what `needs` names.
    """

    @abstractmethod
    def needs(self, model: "UnimodalForConditionalGeneration") -> Collection[str]:
        """The memories that it is made of. Raises ValueError for a model that cannot have it."""

    @abstractmethod
    def entries(
        self, memories: Mapping[str, Memory], model: "UnimodalForConditionalGeneration"
    ) -> tuple[Float[Tensor, "b t d"], Layout]:
        """The entries of all rows and where they stand."""
