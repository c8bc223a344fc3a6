"""A trunk that is trained from nothing: stages of blocks, each at half the resolution of the one before.

p pictures, i and j pixels of the canvas, h rows and w columns of a map, c channels; k, l and d those of the next
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import final

from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from unimodal.prenets.trunks import Map, Trunk, coarser


class MapBlock(nn.Module, ABC):
    """A map -> a map of the same size. Law: what stands at places that are not real changes no real one."""

    @abstractmethod
    def forward(self, x: Map, real: Bool[Tensor, "p h w"]) -> Map:
        """`x` is 0 where it is not `real`; the result need not be."""


@final
class Stages(Trunk):
    """Patches of 4 x 4 pixels, then blocks, and between two stages the merging of 2 x 2 places to one.

    After the Swin transformer (Liu et al. 2021, arXiv:2103.14030). `block` is given the width of its stage and its
    number within it, since every other window is shifted.
    """

    def __init__(
        self,
        *,
        block: Callable[[int, int], MapBlock],
        widths: Sequence[int] = (48, 96, 192),
        depths: Sequence[int] = (1, 1, 2),
        patch: int = 4,
    ) -> None:
        super().__init__()
        if not widths or len(widths) != len(depths) or min(depths) < 1:
            raise ValueError("widths and depths: expected one of each for every stage, and a block at least in each")
        self.widths = tuple(widths)
        self.strides = tuple(patch * 2**stage for stage in range(len(widths)))
        steps = [patch] + [2] * (len(widths) - 1)
        self.merges = nn.ModuleList(
            _Merge(inner, outer, step) for inner, outer, step in zip((3, *widths), widths, steps, strict=False)
        )
        self.blocks = nn.ModuleList(
            nn.ModuleList(block(width, number) for number in range(depth))
            for width, depth in zip(widths, depths, strict=True)
        )

    def forward(self, pixels: Float[Tensor, "p 3 i j"], real: Bool[Tensor, "p i j"]) -> list[Map]:
        maps, x = [], pixels.permute(0, 2, 3, 1)
        for merge, blocks in zip(self.merges, self.blocks, strict=True):
            assert isinstance(merge, _Merge) and isinstance(blocks, nn.ModuleList)
            real = coarser(real, merge.step)
            x = merge(x) * real[..., None]
            for block in blocks:
                x = block(x, real) * real[..., None]
            maps.append(x)
        return maps


class _Merge(nn.Module):
    """Squares of `step` x `step` places -> one place each, through a linear map and a norm."""

    def __init__(self, inner: int, outer: int, step: int) -> None:
        super().__init__()
        self.step = step
        self.project = nn.Linear(inner * step * step, outer)
        self.norm = nn.LayerNorm(outer)

    def forward(self, x: Map) -> Float[Tensor, "p k l d"]:
        (_, h, w, _), step = x.shape, self.step
        x = functional.pad(x, (0, 0, 0, -w % step, 0, -h % step))
        squares = x.unflatten(2, (-1, step)).unflatten(1, (-1, step)).transpose(2, 3).flatten(3)
        merged: Tensor = self.norm(self.project(squares))
        return merged
