"""Blocks of a trunk that look at the places around. p pictures, h rows and w columns of a map, c channels"""

from typing import final

from jaxtyping import Bool
from torch import Tensor, nn
from torch.nn import functional

from unimodal.prenets.trunks import Map
from unimodal.prenets.trunks.stages import MapBlock


@final
class Convolution(MapBlock):
    """A depthwise convolution, then two linear layers (Liu et al. 2022, arXiv:2201.03545)."""

    def __init__(self, width: int, number: int, *, kernel: int = 7, expansion: int = 4) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel: expected an odd number of places, so that one is the middle, not {kernel}")
        self.around = nn.Conv2d(width, width, kernel, padding=kernel // 2, groups=width)
        self.norm = nn.LayerNorm(width)
        self.first = nn.Linear(width, expansion * width)
        self.second = nn.Linear(expansion * width, width)

    def forward(self, x: Map, real: Bool[Tensor, "p h w"]) -> Map:
        around = self.around(x.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)
        mixed: Map = x + self.second(functional.gelu(self.first(self.norm(around))))
        return mixed
