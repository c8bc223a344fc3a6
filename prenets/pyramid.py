"""Pictures and pages through a pyramid of maps, as detectors and document readers see them.

p pieces, n patches, v values of a patch, h rows and w columns of patches, d width of the model, l entries
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, Prenet
from unimodal.prenets.places import SinePlaces
from unimodal.prenets.trunks import Map, Trunk


@final
class PyramidPrenet(Prenet):
    """A trunk's maps, each told what coarser ones saw, joined at one resolution: an entry a patch.

    A feature pyramid (Lin et al. 2017, arXiv:1612.03144) whose levels are laid side by side, plus sines of row and
    column, as OmniParser reads pages (Wan et al. 2024, arXiv:2403.19128). The processor is `ImageProcessor`, with
    patches that do not overlap: `patch` pixels are between two entries, a stride of the trunk's or a multiple. `narrow`
    is the width of each level.
    """

    def __init__(self, dim: int, *, trunk: Trunk, patch: int = 16, narrow: int = 64):
        super().__init__()
        if patch not in (finest := [trunk.strides[0] * 2**power for power in range(8)]):
            raise ValueError(f"patch: {patch} pixels are none of the trunk's {', '.join(map(str, finest))}")
        self.patch, self.trunk = patch, trunk
        self.levels = nn.ModuleList(nn.Linear(width, narrow) for width in trunk.widths)
        self.join = nn.Linear(len(trunk.widths) * narrow, dim)
        self.places = SinePlaces(dim)
        self.norm = nn.LayerNorm(dim)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        rows, columns, values = arrays["rows"], arrays["columns"], arrays["patches"]
        if values.shape[-1] != 3 * self.patch**2:
            wanted = f"this prenet reads squares of {self.patch} pixels: give its processor the same patch and stride"
            raise ValueError(f"patches have {values.shape[-1]} values, but {wanted}")
        real = torch.arange(rows.shape[1], device=rows.device) < lengths[:, None]
        height, width = int(rows[real].max()) + 1, int(columns[real].max()) + 1
        place = torch.where(real, rows * width + columns, height * width)
        canvas = values.new_zeros(len(values), height * width + 1, values.shape[-1])
        canvas = canvas.scatter(1, place[..., None].expand_as(values), values)[:, :-1]
        seen = real.new_zeros(len(values), height * width + 1).scatter(1, place, real)[:, :-1]
        joined = self._joined(*self._pixels(canvas, seen, height, width), height, width).flatten(1, 2)
        found = joined.gather(1, place.clamp(max=height * width - 1)[..., None].expand(-1, -1, joined.shape[-1]))
        x: Tensor = self.norm(found) + self.places(arrays).to(found.dtype)
        return x

    def _pixels(
        self, canvas: Float[Tensor, "p n v"], seen: Bool[Tensor, "p n"], height: int, width: int
    ) -> tuple[Float[Tensor, "p 3 i j"], Bool[Tensor, "p i j"]]:
        """Patches laid out again, and where there are any."""
        squares = canvas.unflatten(2, (3, self.patch, self.patch)).unflatten(1, (height, width))
        pixels = squares.permute(0, 3, 1, 4, 2, 5).flatten(4, 5).flatten(2, 3)
        real = seen.unflatten(1, (height, width)).repeat_interleave(self.patch, 1).repeat_interleave(self.patch, 2)
        return pixels.to(self.join.weight.dtype), real

    def _joined(self, pixels: Tensor, real: Tensor, height: int, width: int) -> Map:
        maps = self.trunk(pixels, real)
        levels = [level(one).permute(0, 3, 1, 2) for level, one in zip(self.levels, maps, strict=True)]
        for finer in reversed(range(len(levels) - 1)):
            levels[finer] = levels[finer] + _repeated(levels[finer + 1], 2, *levels[finer].shape[2:])
        alike = [
            _repeated(level, stride // self.patch, height, width)
            if stride > self.patch
            else functional.avg_pool2d(level, self.patch // stride)
            for level, stride in zip(levels, self.trunk.strides, strict=True)
        ]
        joined: Map = self.join(torch.cat(alike, 1).permute(0, 2, 3, 1))
        return joined


def _repeated(level: Float[Tensor, "p c i j"], times: int, height: int, width: int) -> Float[Tensor, "p c h w"]:
    """Each place of a map as a square of them, cut to a size."""
    return level.repeat_interleave(times, 2).repeat_interleave(times, 3)[:, :, :height, :width]
