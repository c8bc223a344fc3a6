"""A position sees its own chunk whole and some chunks before it (streaming encoders; Shi et al. 2021, 2010.10759)."""

from typing import final

from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout
from unimodal.masks import Mask


@final
class Chunk(Mask):
    """Keys of the query's chunk of `size` positions and of the `left` chunks before it."""

    def __init__(self, size: int, *, left: int) -> None:
        if size < 1 or left < 0:
            raise ValueError(f"size, left: a chunk has at least 1 position and 0 chunks before it, not {size}, {left}")
        self.size = size
        self.left = left

    def visible(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"], layout: Layout
    ) -> Bool[Tensor, "#b t s"] | None:
        distance = query_positions[:, :, None] // self.size - key_positions[:, None, :] // self.size
        return (distance >= 0) & (distance <= self.left)
