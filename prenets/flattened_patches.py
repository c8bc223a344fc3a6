"""Pictures of any shape as one budget of patches, each with its row and column: screenshots, documents, charts.

Pix2Struct (Lee et al. 2022, arXiv:2210.03347).

i height, j width, n patches, v values of a patch, p pieces, l entries, d width of the model
"""

import math
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, Extractor, KeywordPrenet, Processor
from unimodal.prenets.pixels import pixels_of


@final
class FlattenedPatches(Extractor):
    """A picture -> Float[max_patches, 2 + v]: of each patch its row, its column and its values; zeros behind the last.

    As transformers' `flattened_patches`. Arguments, pictures and errors are those of FlattenedPatchesProcessor.
    """

    def __init__(self, *, max_patches: int = 2048, patch: int = 16):
        self.processor = FlattenedPatchesProcessor(max_patches=max_patches, patch=patch)

    def __call__(self, raw: object) -> Float[Tensor, "n v"]:
        arrays = self.processor(raw)
        places = torch.stack([arrays["rows"], arrays["columns"]], 1)
        patches = torch.cat([places, arrays["patches"]], 1)
        return functional.pad(patches, (0, 0, 0, self.processor.max_patches - len(patches)))


@final
class FlattenedPatchesProcessor(Processor):
    """A picture -> {"patches": Float[n, 3 patch patch], "rows": Long[n], "columns": Long[n]}, row by row.

    The picture is Float[3, i, j] from 0 to 1, a Pillow image, or the path of a file. As a whole it has mean 0 and
    deviation 1 before it is scaled, up or down, to as many whole patches as `max_patches` holds, as nearly in its
    aspect as they allow. Values stand pixel by pixel, the three colours of each together; rows and columns count from
    1. Raises as `pixels_of`.
    """

    def __init__(self, *, max_patches: int = 2048, patch: int = 16):
        if min(max_patches, patch) < 1:
            raise ValueError(f"max_patches, patch: at least 1 patch of 1 pixel, not {max_patches}, {patch}")
        self.max_patches, self.patch = max_patches, patch

    def __call__(self, raw: object) -> dict[str, Tensor]:
        pixels = _standardised(pixels_of(raw))
        num_rows, num_columns = self._grid(*pixels.shape[1:])
        size = (num_rows * self.patch, num_columns * self.patch)
        scaled = functional.interpolate(pixels[None], size=size, mode="bilinear", antialias=True)
        cut = functional.unfold(scaled, kernel_size=self.patch, stride=self.patch)[0].T
        places = torch.arange(num_rows * num_columns)
        return {
            "patches": cut.unflatten(1, (3, -1)).transpose(1, 2).flatten(1),
            "rows": places // num_columns + 1,
            "columns": places % num_columns + 1,
        }

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["patches"].shape[0]

    def _grid(self, height: int, width: int) -> tuple[int, int]:
        """Rows and columns of patches."""
        scale = math.sqrt(self.max_patches * (self.patch / height) * (self.patch / width))
        num_rows, num_columns = (int(scale * side / self.patch) for side in (height, width))
        return min(max(num_rows, 1), self.max_patches), min(max(num_columns, 1), self.max_patches)


@final
class FlattenedPatchesPrenet(KeywordPrenet):
    """A linear map of each patch, plus learned rows and columns.

    Callers give transformers' `flattened_patches`: of each patch its row, its column and its values. Rows and columns
    are below `num_places`; 0 is that of padding. `width` is the encoder's where it is not the model's.
    """

    keywords = ("flattened_patches",)

    def __init__(
        self, dim: int, *, num_values: int = 768, num_places: int = 4096, width: int | None = None, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.project = nn.Linear(num_values, width or dim)
        self.rows = nn.Embedding(num_places, width or dim)
        self.columns = nn.Embedding(num_places, width or dim)
        self.dropout = nn.Dropout(dropout)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        flattened = inputs["flattened_patches"]
        if flattened.ndim != 3 or flattened.shape[2] != 2 + self.project.in_features:
            wanted = f"[pictures, patches, row, column and {self.project.in_features} values]"
            raise ValueError(f"flattened_patches: expected {wanted}, got {list(flattened.shape)}")
        places = flattened[..., :2].long()
        return {"patches": flattened[..., 2:], "rows": places[..., 0], "columns": places[..., 1]}

    def real(self, mask: Bool[Tensor, "p n"]) -> Bool[Tensor, "p l"]:
        return mask

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        for axis in ("rows", "columns"):
            last, known = int(arrays[axis].max()), self.rows.num_embeddings
            if last >= known:
                raise ValueError(f"{axis}: number {last} of a picture, but the model knows those below {known}")
        x: Tensor = self.project(arrays["patches"].to(self.project.weight.dtype))
        placed: Tensor = self.dropout(x + self.rows(arrays["rows"]) + self.columns(arrays["columns"]))
        return placed


def _standardised(pixels: Float[Tensor, "3 i j"]) -> Float[Tensor, "3 i j"]:
    """Mean 0 and deviation 1 over all values; a picture of one colour is zeros."""
    levels = pixels * 255  # the least deviation is that of whole numbers
    deviation = levels.std(correction=0).clamp(min=levels.numel() ** -0.5)
    return (levels - levels.mean()) / deviation
