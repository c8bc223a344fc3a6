"""Keeps tokens from being written, everywhere or at some places.

b rows, v vocabulary
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides.place import PlaceGuide


@final
class SuppressionGuide(PlaceGuide):
    """Lowers the logits of `tokens` by `strength`, by default to nothing.

    It does so where at least `since` tokens stand before, and fewer than `until` (None: to the end). So an answer gets
    a least length when end tokens are suppressed until then.
    """

    def __init__(
        self, tokens: Sequence[int], *, since: int = 0, until: int | None = None, strength: float = math.inf
    ) -> None:
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._tokens, self._strength = torch.tensor(list(tokens), dtype=torch.long), strength
        self._since, self._until = since, math.inf if until is None else until

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        if self._strength == 0:
            return logits
        here = (state >= self._since) & (state < self._until)
        lowered = torch.isin(torch.arange(logits.shape[-1], device=logits.device), self._tokens.to(logits.device))
        return torch.where(here[:, None] & lowered, logits - self._strength, logits)
