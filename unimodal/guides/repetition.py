"""Makes what was written already less likely.

b rows, v vocabulary, t tokens so far, r rows that go on
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide


@final
class RepetitionGuide(Guide[Int[Tensor, "b t"]]):
    """Divides the positive and multiplies the negative logits of tokens already written by 1 + `strength`.

    The repetition penalty of CTRL (Keskar et al., 2019, arXiv:1909.05858), whose theta is 1 + strength. The paper
    divides every logit; we multiply negative ones, as transformers does, since dividing would make them likelier.
    """

    def __init__(self, *, strength: float):
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._theta = 1 + strength

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, "b t"]:
        return torch.empty(rows, 0, dtype=torch.long, device=device)

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        written = logits.gather(1, state)
        return logits.scatter(1, state, torch.where(written > 0, written / self._theta, written * self._theta))

    def advance(self, state: Int[Tensor, "b t"], tokens: Int[Tensor, " b"]) -> Int[Tensor, "b u"]:
        return torch.cat([state, tokens[:, None]], dim=1)

    def take(self, state: Int[Tensor, "b t"], rows: Int[Tensor, " r"]) -> Int[Tensor, "r t"]:
        return state[rows]
