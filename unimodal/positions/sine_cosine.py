"""Sinusoidal absolute positions as tensor2tensor lays them out: sines on the first half of the columns."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.positions import AddedPosition

_LONGEST = 10000.0


@final
class SineCosine(AddedPosition):
    """`x + [sin(n r), cos(n r)]`, where rates r fall from 1 towards 1/10,000 (Vaswani et al. 2017, 1706.03762).

    The first entry has the number `offset`. `inclusive`: the last rate is 1/10,000 itself (fairseq, M2M100); else that
    would be the one after the last (Marian, Pegasus). Computed anew, so no length is too long.
    """

    def __init__(self, dim: int, *, offset: int = 0, inclusive: bool = False) -> None:
        super().__init__()
        if dim % 2 or dim < 4:
            raise ValueError(f"dim: sinusoids need an even width from 4 on, not {dim}")
        self.offset = offset
        self.inclusive = inclusive

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        half = x.shape[-1] // 2
        # Angles of far positions would lose four digits in float32.
        steps = torch.arange(half, device=x.device, dtype=torch.float64) / (half - 1 if self.inclusive else half)
        angles = (positions + self.offset)[..., None] * _LONGEST**-steps
        return x + torch.cat([angles.sin(), angles.cos()], dim=-1).to(x.dtype)
