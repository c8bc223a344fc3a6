"""Turns logits into log-probabilities.

b rows, v vocabulary, r rows that go on
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide


@final
class NormalisedGuide(Guide[None]):
    """For guides behind it that are to lower log-probabilities, where their strength does not depend on all logits."""

    def start(self, rows: int, device: torch.device | None = None) -> None:
        return None

    def adjust(self, logits: Float[Tensor, "b v"], state: None) -> Float[Tensor, "b v"]:
        return logits.log_softmax(-1)

    def advance(self, state: None, tokens: Int[Tensor, " b"]) -> None:
        return None

    def take(self, state: None, rows: Int[Tensor, " r"]) -> None:
        return None
