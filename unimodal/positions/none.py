"""No positions: what is added by a prenet, or none at all (cross-attention)."""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.positions import AddedPosition


@final
class NoPosition(AddedPosition):
    """Does nothing anywhere."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        return x
