"""What guides have in common whose rule depends on how many tokens stand before.

b rows, r rows that go on
"""

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.guides import Guide


class PlaceGuide(Guide[Int[Tensor, " b"]]):
    """Its state is the number of tokens so far, padding of a prompt among them, as transformers counts."""

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return torch.zeros(rows, dtype=torch.long, device=device)

    def advance(self, state: Int[Tensor, " b"], tokens: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return state + 1

    def take(self, state: Int[Tensor, " b"], rows: Int[Tensor, " r"]) -> Int[Tensor, " r"]:
        return state[rows]
