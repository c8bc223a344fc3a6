"""Where an entry stands in its picture, clip, table or program. p pieces, l entries, d width, f frequencies"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

PERIOD = 10_000.0
"""Of the slowest wave, in coordinates."""


@final
class Places(nn.Module):
    """Learned embeddings of whole coordinates, one table an axis, summed.

    `sizes` are the coordinates of each axis by the name of its array, counted from 0. They are scaled by the square
    root of the width, since the model draws embeddings at unit length while features have unit variance.
    """

    def __init__(self, dim: int, *, sizes: Mapping[str, int]):
        super().__init__()
        self.scale = dim**0.5
        self.axes = nn.ModuleDict({axis: nn.Embedding(size, dim) for axis, size in sizes.items()})

    def forward(self, arrays: Mapping[str, Tensor]) -> Float[Tensor, "p l d"]:
        """The sum over all axes. Raises ValueError for a coordinate beyond the end of its axis."""
        marks = [self._mark(axis, arrays[axis]) for axis in self.axes]
        total: Tensor = sum(marks[1:], start=marks[0]) * self.scale
        return total

    def _mark(self, axis: str, coordinates: Tensor) -> Float[Tensor, "p l d"]:
        table = self.axes[axis]
        assert isinstance(table, nn.Embedding)
        last = int(coordinates.max())
        if last >= table.num_embeddings:
            raise ValueError(f"{axis}: number {last} of an input, but this prenet knows {table.num_embeddings}")
        marks: Tensor = table(coordinates)
        return marks


@final
class SinePlaces(nn.Module):
    """Sines and cosines of two coordinates, half the width each: nothing is learned, and none is too large.

    As detection transformers have them (Carion et al. 2020, arXiv:2005.12872). Raises ValueError for a width that is no
    multiple of 4.
    """

    def __init__(self, dim: int, *, axes: tuple[str, str] = ("rows", "columns")):
        super().__init__()
        if dim % 4:
            raise ValueError(f"a sine and a cosine of two coordinates need a width that 4 divides, not {dim}")
        self.dim, self.axes = dim, axes

    def forward(self, arrays: Mapping[str, Tensor]) -> Float[Tensor, "p l d"]:
        powers = torch.arange(self.dim // 4, device=arrays[self.axes[0]].device) / (self.dim // 4)
        waves: list[Float[Tensor, "p l f"]] = [arrays[axis][..., None] * PERIOD**-powers for axis in self.axes]
        return torch.cat([part for wave in waves for part in (wave.sin(), wave.cos())], -1)
