"""Hides stretches of time and bands of frequency. p pieces, t frames, f bands, m masks"""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.prenets.augmentations import Augmentation


@final
class TimeFrequencyMasking(Augmentation):
    """Sets random stretches of time and random bands to 0, the mean of normalised features.

    Park et al. 2019 (arXiv:1904.08779), without time warping. Widths are uniform from 0; a stretch of time is bounded
    by its share of the piece (Park et al. 2020, arXiv:1912.05533), so that one-word clips keep their word.
    """

    def __init__(
        self, *, num_stretches: int = 2, longest_share: float = 0.12, num_bands: int = 2, widest_band: int = 16
    ):
        if not 0 <= longest_share <= 1:
            raise ValueError(f"longest_share is a share of the time, from 0 to 1, not {longest_share}")
        self.num_stretches, self.longest_share = num_stretches, longest_share
        self.num_bands, self.widest_band = num_bands, widest_band

    def __call__(self, features: Float[Tensor, "p t f"], lengths: Int[Tensor, " p"]) -> Float[Tensor, "p t f"]:
        _, time, bands = features.shape
        all_bands = torch.full_like(lengths, bands)
        stretches = _spans(lengths, (lengths * self.longest_share).long(), self.num_stretches, time)
        widest = all_bands.clamp_max(self.widest_band)
        hidden = stretches[:, :, None] | _spans(all_bands, widest, self.num_bands, bands)[:, None]
        return features.masked_fill(hidden, 0.0)


def _spans(extent: Int[Tensor, " p"], widest: Int[Tensor, " p"], count: int, size: int) -> Bool[Tensor, "p size"]:
    """True inside `count` random spans of each piece, none wider than `widest` and none past `extent`."""
    draw = torch.rand(2, extent.shape[0], count, device=extent.device)
    width = (draw[0] * (widest[:, None] + 1)).floor()
    start = (draw[1] * (extent[:, None] - width + 1)).floor()
    steps = torch.arange(size, device=extent.device)
    return ((steps >= start[..., None]) & (steps < (start + width)[..., None])).any(dim=1)
