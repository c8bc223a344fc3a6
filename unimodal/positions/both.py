"""Two kinds of positions at once (SpeechT5's encoder: sinusoids on the input, clipped scores in the blocks)."""

from collections.abc import Callable
from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.positions import Position


def _sum(first: Tensor | None, second: Tensor | None) -> Tensor | None:
    if first is None or second is None:
        return second if first is None else first
    return first + second


@final
class Both(Position):
    """The first, then the second, in every place."""

    def __init__(self, dim: int, *, first: Callable[..., Position], second: Callable[..., Position]) -> None:
        super().__init__()
        self.first = first(dim)
        self.second = second(dim)
        self.limit = min((p.limit for p in (self.first, self.second) if p.limit is not None), default=None)

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        added: Tensor = self.second.add(self.first.add(x, positions), positions)
        return added

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        rotated: Tensor = self.second.rotate(self.first.rotate(x, positions), positions)
        return rotated

    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        return _sum(self.first.bias(query_positions, key_positions), self.second.bias(query_positions, key_positions))

    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        return _sum(
            self.first.score(q, query_positions, key_positions), self.second.score(q, query_positions, key_positions)
        )
