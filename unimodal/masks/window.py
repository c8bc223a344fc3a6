"""A position sees its near past only (sliding window attention; Beltagy et al. 2020, 2004.05150)."""

from typing import final

from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout
from unimodal.masks import Mask


@final
class Window(Mask):
    """The query's own position, the `width - 1` before it and the `ahead` after it (encoders look both ways)."""

    def __init__(self, width: int, *, ahead: int = 0) -> None:
        if width < 1 or ahead < 0:
            raise ValueError(f"width, ahead: a window holds at least 1 position and 0 ahead, not {width}, {ahead}")
        self.width = width
        self.ahead = ahead

    def visible(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"], layout: Layout
    ) -> Bool[Tensor, "#b t s"] | None:
        distance = query_positions[:, :, None] - key_positions[:, None, :]
        return (distance >= -self.ahead) & (distance < self.width)
