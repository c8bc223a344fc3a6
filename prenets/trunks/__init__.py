"""What a picture goes through before its levels are joined: maps that halve in size from one to the next. The contract.

p pictures, i and j pixels of the canvas, h rows and w columns of a map, c channels
"""

from abc import ABC, abstractmethod

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

Map = Float[Tensor, "p h w c"]


class Trunk(nn.Module, ABC):
    """Pixels -> maps. Law: what lies beyond a picture's own pixels changes no place of a map that has pixels of it."""

    widths: tuple[int, ...]
    """Channels of each map."""
    strides: tuple[int, ...]
    """Pixels between two places of each map; each is twice that of the map before."""

    @abstractmethod
    def forward(self, pixels: Float[Tensor, "p 3 i j"], real: Bool[Tensor, "p i j"]) -> list[Map]:
        """`pixels` from -1 to 1, 0 where they are not `real`; a map has a place for every whole or begun stride."""


def coarser(real: Bool[Tensor, "p h w"], stride: int) -> Bool[Tensor, "p k l"]:
    """Which places of a map that is `stride` times as coarse have anything real in them."""
    pooled = functional.max_pool2d(real[:, None].float(), stride, ceil_mode=True)
    return pooled[:, 0] > 0
