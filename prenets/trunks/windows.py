"""Blocks of a trunk that attend within windows. p pictures, h rows and w columns of a map, c channels

n windows, s places of a window, k windows down, l windows across
"""

from typing import final

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional

from unimodal.prenets.trunks import Map
from unimodal.prenets.trunks.stages import MapBlock

UNREAL = -1e4


@final
class Windows(MapBlock):
    """Attention within squares of `side` x `side` places, then two linear layers; every other block shifts the squares.

    With learned biases of the distance between two places (Liu et al. 2021, arXiv:2103.14030). A shifted map is laid
    out anew behind half a window of nothing instead of being rolled, so that opposite borders never meet.
    """

    def __init__(self, width: int, number: int, *, heads: int = 4, side: int = 8, expansion: int = 4) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"heads: {heads} do not divide a width of {width}")
        self.heads, self.side, self.shift = heads, side, side // 2 if number % 2 else 0
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.project, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.first, self.second = nn.Linear(width, expansion * width), nn.Linear(expansion * width, width)
        self.distance = nn.Embedding((2 * side - 1) ** 2, heads)

    def forward(self, x: Map, real: Bool[Tensor, "p h w"]) -> Map:
        x = x + self._attend(self.before(x), real)
        mixed: Map = x + self.second(functional.gelu(self.first(self.between(x))))
        return mixed

    def _attend(self, x: Map, real: Bool[Tensor, "p h w"]) -> Map:
        (_, h, w), side = real.shape, self.side
        frame = (self.shift, -(w + self.shift) % side, self.shift, -(h + self.shift) % side)
        known = _cut(functional.pad(real, frame)[..., None], side)[..., 0]
        windows = _cut(functional.pad(x, (0, 0, *frame)), side)
        queries, keys, values = (
            part.unflatten(-1, (self.heads, -1)).transpose(1, 2) for part in self.project(windows).chunk(3, -1)
        )
        biases = self.distance(self._apart(x.device)).permute(2, 0, 1) + torch.where(known, 0.0, UNREAL)[:, None, None]
        mixed = functional.scaled_dot_product_attention(queries, keys, values, attn_mask=biases.to(queries.dtype))
        joined = _join(self.out(mixed.transpose(1, 2).flatten(2)), h + frame[2] + frame[3], w + frame[0] + frame[1])
        return joined[:, self.shift : self.shift + h, self.shift : self.shift + w]

    def _apart(self, device: torch.device) -> Int[Tensor, "s s"]:
        """The number of the distance from each place of a window to each other."""
        along = torch.arange(self.side, device=device)
        place = torch.cartesian_prod(along, along)
        rows, columns = (place[:, None] - place[None] + self.side - 1).unbind(-1)
        return rows * (2 * self.side - 1) + columns


def _cut(x: Shaped[Tensor, "p h w c"], side: int) -> Shaped[Tensor, "n s c"]:
    """The windows of all pictures."""
    grid = x.reshape(x.shape[0], x.shape[1] // side, side, x.shape[2] // side, side, x.shape[3])
    return grid.transpose(2, 3).flatten(3, 4).flatten(0, 2)


def _join(windows: Float[Tensor, "n s c"], height: int, width: int) -> Map:
    """The inverse of `_cut`."""
    side = round(windows.shape[1] ** 0.5)
    grid = windows.reshape(-1, height // side, width // side, side, side, windows.shape[2])
    return grid.transpose(2, 3).flatten(3, 4).flatten(1, 2)
