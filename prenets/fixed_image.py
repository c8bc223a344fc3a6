"""Pictures of one size, as the vision transformer reads them (Dosovitskiy et al. 2021, arXiv:2010.11929).

i height, j width, c channels, n patches, v values of a patch, p pieces, l entries, d width of the model
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, Extractor, KeywordPrenet, Processor
from unimodal.prenets.pixels import pixels_of

BILINEAR = 2
"""Pillow's number; 3 is bicubic."""
Size = tuple[int, int]
"""Height and width."""


@final
class PixelValues(Extractor):
    """A picture -> what a net was trained on: scaled, cropped, multiplied by `factor`, normalised channel by channel.

    The picture is Float[3, i, j] from 0 to 1, a Pillow image, or the path of a file. It is scaled to `size` whatever
    its aspect, by Pillow's `resample` on whole numbers from 0 to 255; `crop` then keeps its middle. None leaves it be.
    Differs from transformers' in what is transparent (it lies on white) and turned (it is set upright). Raises as
    `pixels_of`.
    """

    def __init__(
        self,
        *,
        size: Size | None = (224, 224),
        resample: int = BILINEAR,
        crop: Size | None = None,
        factor: float = 1 / 255,
        mean: tuple[float, float, float] = (0.5, 0.5, 0.5),
        deviation: tuple[float, float, float] = (0.5, 0.5, 0.5),
    ) -> None:
        for name, given in (("size", size), ("crop", crop)):
            if given is not None and min(given) < 1:
                raise ValueError(f"{name}: a picture is at least 1 pixel high and wide, not {given[0]} x {given[1]}")
        if resample not in range(6):
            raise ValueError(f"resample: Pillow numbers its filters from 0 to 5, and {resample} is none")
        if min(deviation) <= 0:
            raise ValueError(f"deviation: values are divided by numbers above 0, not by {min(deviation)}")
        self.size, self.resample, self.crop, self.factor = size, resample, crop, factor
        self.mean, self.deviation = mean, deviation

    def __call__(self, raw: object) -> Float[Tensor, "*shape"]:
        pixels = self._scaled(pixels_of(raw))
        if self.crop is not None:
            pixels = _middle(pixels, self.crop)
        mean, deviation = (torch.tensor(values)[:, None, None] for values in (self.mean, self.deviation))
        return (pixels * self.factor - mean) / deviation

    def _scaled(self, pixels: Float[Tensor, "3 i j"]) -> Float[Tensor, "3 k l"]:
        import numpy
        from PIL import Image

        whole = (pixels * 255).round().byte()
        if self.size is not None and self.size != tuple(whole.shape[1:]):
            height, width = self.size
            picture = Image.fromarray(whole.permute(1, 2, 0).numpy())
            picture = picture.resize((width, height), Image.Resampling(self.resample))
            whole = torch.from_numpy(numpy.array(picture)).permute(2, 0, 1)
        return whole.float()


@final
class FixedImageProcessor(Processor):
    """A picture -> {"patches": Float[n, 3 * patch area]}, row by row, of its `PixelValues`.

    The net puts `num_tokens` entries before the patches.
    """

    def __init__(self, *, pixels: PixelValues, patch: Size = (16, 16), num_tokens: int = 1) -> None:
        self.pixels, self.patch, self.num_tokens = pixels, patch, num_tokens

    def __call__(self, raw: object) -> dict[str, Tensor]:
        return {"patches": _patches(self.pixels(raw)[None], self.patch)[0]}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return self.num_tokens + arrays["patches"].shape[0]


@final
class FixedImagePrenet(KeywordPrenet):
    """Learned tokens (one to read the answer from, say), then the patches through a linear map.

    Positions are left to the stack, which has one for each entry of a picture of this size. `width` is that of the
    encoder where it is not the model's. Raises ValueError for pictures of another size.
    """

    keywords = ("pixel_values",)

    def __init__(
        self,
        dim: int,
        *,
        size: Size = (224, 224),
        patch: Size = (16, 16),
        channels: int = 3,
        num_tokens: int = 1,
        width: int | None = None,
    ) -> None:
        super().__init__()
        if not all(1 <= inner <= outer for inner, outer in zip(patch, size, strict=True)):
            raise ValueError(f"patch: {_said(patch)} pixels do not fit in a picture of {_said(size)}")
        self.size, self.patch, self.channels = size, patch, channels
        self.tokens = nn.ModuleList([nn.Embedding(1, width or dim) for _ in range(num_tokens)])
        self.project = nn.Linear(channels * patch[0] * patch[1], width or dim)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        pixels = inputs["pixel_values"]
        if pixels.ndim != 4 or tuple(pixels.shape[1:]) != (self.channels, *self.size):
            wanted, found = _said((self.channels, *self.size)), _said(tuple(pixels.shape[1:]))
            raise ValueError(f"pixel_values: the model reads pictures of {wanted}, not of {found}")
        return {"patches": _patches(pixels, self.patch)}

    def real(self, mask: Bool[Tensor, "p n"]) -> Bool[Tensor, "p l"]:
        return functional.pad(mask, (len(self.tokens), 0), value=True)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        patches: Float[Tensor, "p n v"] = arrays["patches"].to(self.project.weight.dtype)
        only = torch.zeros(len(patches), 1, dtype=torch.long, device=patches.device)
        return torch.cat([*(token(only) for token in self.tokens), self.project(patches)], dim=1)


def _patches(pixels: Float[Tensor, "p c i j"], patch: Size) -> Float[Tensor, "p n v"]:
    """Patches row by row, the channels of each one after the other; what is left at the right and below is not read."""
    return functional.unfold(pixels, kernel_size=patch, stride=patch).transpose(1, 2)


def _middle(pixels: Float[Tensor, "3 i j"], size: Size) -> Float[Tensor, "3 k l"]:
    (height, width), (tall, wide) = size, pixels.shape[1:]
    if height > tall or width > wide:
        raise ValueError(f"crop: a picture of {_said((tall, wide))} pixels has no middle of {_said(size)}")
    top, left = (tall - height) // 2, (wide - width) // 2
    return pixels[:, top : top + height, left : left + width]


def _said(sizes: tuple[int, ...]) -> str:
    return " x ".join(map(str, sizes))
