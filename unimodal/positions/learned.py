"""Learned absolute positions (Gehring et al. 2017, 1705.03122)."""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.positions import AddedPosition


@final
class Learned(AddedPosition):
    """One vector a position; `offset` rows of the table stand before position 0 (BART keeps 2)."""

    def __init__(self, dim: int, *, longest: int, offset: int = 0) -> None:
        super().__init__()
        self.limit: int = longest
        self.offset = offset
        self.table = nn.Embedding(longest + offset, dim)

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        table: Tensor = self.table(positions + self.offset)
        return x + table
