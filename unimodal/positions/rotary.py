"""Rotary positions (Su et al. 2021, 2104.09864)."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.positions import RotatedPosition
from unimodal.scalings import Scaling


@final
class Rotary(RotatedPosition):
    """Turns column pairs (i, i + half) of each head by position · base^(-2i/k); angles are computed anew in float32.

    A `scaling` slows the rates base^(-2i/k) for texts longer than those of the training.
    """

    def __init__(self, dim: int, *, base: float = 10000.0, scaling: Scaling | None = None) -> None:
        super().__init__()
        self.base = base
        self.scaling = scaling

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        if x.shape[-1] % 2:
            raise ValueError(f"head_dim: rotary positions turn pairs of columns, and {x.shape[-1]} is odd")
        half = x.shape[-1] // 2
        rates = 1 / self.base ** (torch.arange(half, device=x.device, dtype=torch.float32) / half)
        if self.scaling is not None:
            rates = self.scaling(rates)
        angles = positions[..., None, None] * rates  # b t 1 half
        cosine, sine = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
        first, second = x[..., :half], x[..., half:]
        return torch.cat([first * cosine - second * sine, second * cosine + first * sine], dim=-1)
