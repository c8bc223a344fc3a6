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
        distance = key_positions[:, None, :] - query_positions[:, :, None]
        far = max(self.longest, self.num_buckets)  # from here on all distances share a bucket
        rows, time = distance.shape[:2]
        if time**2 <= 2 * far:
            biases: Tensor = self.table(self._buckets(distance))
            return biases.permute(0, 3, 1, 2)
        # Most of many pairs have a distance in common: logarithms are taken once for each distance.
        by_distance: Tensor = self.table(self._buckets(torch.arange(-far, far + 1, device=distance.device))).T
        heads = by_distance.shape[0]
        columns = distance.clamp_(-far, far).add_(far)[:, None].expand(-1, heads, -1, -1)
        return by_distance[None, :, None].expand(rows, heads, time, -1).gather(-1, columns)

    def _buckets(self, distance: Int[Tensor, "..."]) -> Int[Tensor, "..."]:
        return bucket(distance, num_buckets=self.num_buckets, longest=self.longest, bidirectional=self.bidirectional)
