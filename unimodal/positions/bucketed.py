"""Relative positions in logarithmic buckets, one bias a head for all blocks (T5; Raffel et al. 2020, 1910.10683)."""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.positions import BiasedPosition


def bucket(distance: Int[Tensor, "..."], *, num_buckets: int, longest: int, bidirectional: bool) -> Int[Tensor, "..."]:
    """The bucket of a distance (key minus query): exact up to half of the buckets, then logarithmic up to `longest`."""
    start: Tensor | int = 0
    if bidirectional:
        num_buckets //= 2
        start = (distance > 0).long() * num_buckets
        distance = distance.abs()
    else:
        distance = -distance.clamp(max=0)
    exact = num_buckets // 2
    logarithmic = exact + (
        torch.log(distance.float().clamp(min=1) / exact) / math.log(longest / exact) * (num_buckets - exact)
    ).long().clamp(max=num_buckets - exact - 1)
    return start + torch.where(distance < exact, distance, logarithmic.clamp(max=num_buckets - 1))


@final
class Bucketed(BiasedPosition):
    """A learned bias for each head and bucket; causal stacks use all buckets for the past."""

    def __init__(self, dim: int, *, heads: int, num_buckets: int = 32, longest: int = 128, bidirectional: bool) -> None:
        super().__init__()
        self.num_buckets = num_buckets
        self.longest = longest
        self.bidirectional = bidirectional
        self.table = nn.Embedding(num_buckets, heads)

    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        buckets = bucket(
            key_positions[:, None, :] - query_positions[:, :, None],
            num_buckets=self.num_buckets,
            longest=self.longest,
            bidirectional=self.bidirectional,
        )
        biases: Tensor = self.table(buckets)
        return biases.permute(0, 3, 1, 2)
