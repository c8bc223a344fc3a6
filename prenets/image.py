"""Pictures: patches with their row and column.

i height, j width, n patches, p pieces, l entries, d width of the model
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.modality import Embed, Prenet, Processor
from unimodal.prenets.pixels import PatchStem, cut, pixels_of
from unimodal.prenets.places import Places
from unimodal.prenets.resizings import Resizing


@final
class ImageProcessor(Processor):
    """A picture -> {"patches": Float[n, 3 patch patch], "rows": Long[n], "columns": Long[n]}, row by row.

    The picture is Float[3, i, j] from 0 to 1, a Pillow image, or the path of a file. Patches overlap where `stride` is
    less than `patch`. Raises FileNotFoundError, or ValueError that names the file, for what is no picture.
    """

    def __init__(self, *, resizing: Resizing, patch: int = 8, stride: int = 8):
        if not 1 <= stride <= patch:
            raise ValueError(f"stride is from 1 to patch ({patch}), not {stride}")
        self.resizing, self.patch, self.stride = resizing, patch, stride

    def __call__(self, raw: object) -> dict[str, Tensor]:
        patches, num_columns = cut(pixels_of(raw)[None], self.resizing, self.patch, self.stride)
        places = torch.arange(patches.shape[1])
        return {"patches": patches[0], "rows": places // num_columns, "columns": places % num_columns}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["patches"].shape[0]


@final
class ImagePrenet(Prenet):
    """Patches through two linear layers, plus learned rows and columns: an entry a patch.

    After the vision transformer (Dosovitskiy et al. 2021, arXiv:2010.11929), with a stem that learns faster.
    `num_rows` and `num_columns` are the most that a processor may cut.
    """

    def __init__(self, dim: int, *, patch: int = 8, hidden: int = 256, num_rows: int = 32, num_columns: int = 64):
        super().__init__()
        self.stem = PatchStem(dim, num_values=3 * patch * patch, hidden=hidden)
        self.places = Places(dim, sizes={"rows": num_rows, "columns": num_columns})
        self.norm = nn.LayerNorm(dim)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        x: Tensor = self.norm(self.stem(arrays["patches"]) + self.places(arrays))
        return x
