"""What guides have in common whose rule depends on which tokens stand before.

b rows, t tokens so far, r rows that go on
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.guides import Guide


class HistoryGuide(Guide[Int[Tensor, "b t"]]):
    """Its state is all tokens so far; `NOTHING` among them is padding."""

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, "b t"]:
        return torch.empty(rows, 0, dtype=torch.long, device=device)

    def advance(self, state: Int[Tensor, "b t"], tokens: Int[Tensor, " b"]) -> Int[Tensor, "b u"]:
        return torch.cat([state, tokens[:, None]], dim=1)

    def take(self, state: Int[Tensor, "b t"], rows: Int[Tensor, " r"]) -> Int[Tensor, "r t"]:
        return state[rows]
