"""Norms: nn.LayerNorm and nn.RMSNorm of torch, under one contract."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn


class Norm(nn.Module, ABC):
    """Law: every entry is normalised by itself."""

    @abstractmethod
    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        """The entries, each at unit scale times learned weights."""


@final
class LayerNorm(Norm):
    """Mean 0, variance 1, learned scale and shift (Ba et al. 2016, 1607.06450)."""

    def __init__(self, dim: int, *, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(dim))
        self.bias = nn.Parameter(torch.zeros(dim))

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        return nn.functional.layer_norm(x, self.weight.shape, self.weight, self.bias, self.epsilon)


@final
class RMSNorm(Norm):
    """Root mean square 1, learned scale (Zhang and Sennrich 2019, 1910.07467); T5's layer norm.

    The scale is `offset` plus the weight: 0 for most, 1 for Gemma, whose weights start at 0; an offset's sum and what
    it scales are computed in float32 at least, as Gemma's are.
    """

    def __init__(self, dim: int, *, epsilon: float = 1e-6, offset: float = 0.0) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.offset = offset
        self.weight = nn.Parameter(torch.full((dim,), 1.0 - offset))

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        if self.offset:
            wide = torch.promote_types(x.dtype, torch.float32)
            scale = self.weight.to(wide) + self.offset
            return nn.functional.rms_norm(x.to(wide), scale.shape, scale, self.epsilon).to(x.dtype)
        return nn.functional.rms_norm(x, self.weight.shape, self.weight.to(x.dtype), self.epsilon)  # fused in one type


@final
class NoNorm(Norm):
    """The identity: the end of a post-norm stack, whose last block has normalised already."""

    def __init__(self, dim: int) -> None:
        super().__init__()

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        return x


@final
class RootScaled(Norm):
    """Times the square root of the width: Gemma's embeddings on their way into a stack.

    The factor is rounded to the entries' type first, as in training: 27.75 for 768 columns of bfloat16.
    """

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.factor = dim**0.5

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        return x * torch.tensor(self.factor, dtype=x.dtype, device=x.device)


@final
class Dropped(Norm):
    """Another norm with dropout behind it: the two ends of a stack."""

    def __init__(self, dim: int, *, norm: Callable[[int], Norm], rate: float) -> None:
        super().__init__()
        self.norm = norm(dim)
        self.dropout = nn.Dropout(rate)

    def forward(self, x: Float[Tensor, "*batch d"]) -> Float[Tensor, "*batch d"]:
        dropped: Tensor = self.dropout(self.norm(x))
        return dropped
