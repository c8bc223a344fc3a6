"""The token table: ids -> vectors, and hidden states -> scores.

n ids of a kind, d width, v vocabulary
"""

import math
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

SHORTEST = 4.0
"""Ids that the shortest wave is long; the longest is twice as long as all of them."""


@final
class TokenTable(nn.Embedding):
    """One vector a token, read in both directions."""

    def score(
        self, hidden: Float[Tensor, "*batch d"], bias: Float[Tensor, " v"] | None = None
    ) -> Float[Tensor, "*batch v"]:
        """How well each token's vector agrees with the hidden states."""
        return nn.functional.linear(hidden, self.weight, bias)


def waves(num: int, dim: int) -> Float[Tensor, "n d"]:
    """Vectors of a length of about 1 for numbers in order: neighbours are alike, and a shift is a rotation.

    As positions are written by Vaswani et al. (2017, arXiv:1706.03762); here numbers that a model reads and writes
    (places, times) begin so, and what it learns of one bin holds for those beside it.
    """
    half = (dim + 1) // 2
    lengths = torch.logspace(math.log2(SHORTEST), math.log2(max(2.0 * num, SHORTEST)), half, base=2)
    angles = 2 * math.pi * torch.arange(num)[:, None] / lengths
    table: Tensor = torch.cat([angles.sin(), angles.cos()], 1)[:, :dim] * half**-0.5
    return table
