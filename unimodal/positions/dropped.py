"""Dropout behind the positions that are added to a stack's input."""

from collections.abc import Callable
from typing import final

from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.positions import Position


@final
class Dropped(Position):
    """Another position, with dropout on the sum of input and position; the blocks see it as it is."""

    def __init__(self, dim: int, *, position: Callable[[int], Position], rate: float) -> None:
        super().__init__()
        self.position = position(dim)
        self.limit = self.position.limit
        self.dropout = nn.Dropout(rate)

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        added: Tensor = self.dropout(self.position.add(x, positions))
        return added

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        return self.position.rotate(x, positions)

    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        return self.position.bias(query_positions, key_positions)

    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        return self.position.score(q, query_positions, key_positions)
