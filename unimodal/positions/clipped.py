"""Relative positions, clipped at a distance, scored against the query (Shaw et al. 2018, 1803.02155; SpeechT5)."""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.positions import ScoredPosition


@final
class Clipped(ScoredPosition):
    """`q · p[clip(query - key, -longest, longest - 1)]`, one table of vectors for all blocks and heads."""

    def __init__(self, dim: int, *, head_dim: int, longest: int = 160) -> None:
        super().__init__()
        self.longest = longest
        self.table = nn.Embedding(2 * longest, head_dim)

    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        distance = query_positions[:, :, None] - key_positions[:, None, :]
        columns = distance.clamp(-self.longest, self.longest - 1) + self.longest
        scores = torch.einsum("bthk,rk->bhtr", q, self.table.weight)  # t × 2·longest, not t × s × k
        return scores.gather(-1, columns[:, None].expand(*scores.shape[:3], -1))
