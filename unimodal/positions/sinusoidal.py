"""Sinusoidal absolute positions (Vaswani et al. 2017, 1706.03762), with a learned size (Li et al. 2019, 1809.08895)."""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.positions import AddedPosition


def sinusoids(positions: Int[Tensor, "b t"], dim: int) -> Float[Tensor, "b t d"]:
    """Sine and cosine of each position at dim/2 wavelengths from 2π to 20,000π; sine on even columns, cosine on odd."""
    rates = torch.exp(torch.arange(0, dim, 2, device=positions.device) * (-math.log(10000.0) / dim))
    angles = positions[..., None] * rates
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(-2)


@final
class Sinusoidal(AddedPosition):
    """`x + size * sinusoid`, where the size is learned and starts at 1. Computed anew, so no length is too long."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        if dim % 2:
            raise ValueError(f"dim: sinusoids need an even width, not {dim}")
        self.size = nn.Parameter(torch.ones(1))

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        return x + self.size * sinusoids(positions, x.shape[-1]).to(x.dtype)
