"""Poolers: the entries of a row -> one vector for the whole of it."""

from abc import ABC, abstractmethod
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.activations import Activation
from unimodal.layout import Layout


class Pooler(nn.Module, ABC):
    """Constructed with the width of the encoder whose entries, after its final norm, it is given.

    Law: what stands on padding changes nothing.
    """

    @abstractmethod
    def forward(self, hidden: Float[Tensor, "b t d"], layout: Layout) -> Float[Tensor, "b p"]:
        """One vector a row."""


@final
class First(Pooler):
    """The first entry, which was put there to be read (the vision transformer's class token)."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, hidden: Float[Tensor, "b t d"], layout: Layout) -> Float[Tensor, "b p"]:
        return hidden[:, 0]


@final
class FirstMapped(Pooler):
    """The first entry through a linear map and an activation (BERT; Devlin et al. 2019, 1810.04805)."""

    def __init__(self, dim: int, *, activation: Activation, width: int | None = None) -> None:
        super().__init__()
        self.project = nn.Linear(dim, width or dim)
        self.activation = activation

    def forward(self, hidden: Float[Tensor, "b t d"], layout: Layout) -> Float[Tensor, "b p"]:
        return self.activation(self.project(hidden[:, 0]))
