"""A position sees its near past only (sliding window attention; Beltagy et al. 2020, 2004.05150)."""

from typing import final

from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout
from unimodal.masks import Mask


@final
class Window(Mask):
    """The query's own position and the `width - 1` before it."""

    def __init__(self, width: int) -> None:
        if width < 1:
            raise ValueError(f"width: a window holds at least 1 position, not {width}")
        self.width = width

    def visible(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"], layout: Layout
    ) -> Bool[Tensor, "#b t s"] | None:
        distance = query_positions[:, :, None] - key_positions[:, None, :]
        return (distance >= 0) & (distance < self.width)
