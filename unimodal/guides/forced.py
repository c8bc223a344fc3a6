"""Makes the token at one place certain.

b rows, v vocabulary
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides.place import PlaceGuide


@final
class ForcedGuide(PlaceGuide):
    """Where `place` tokens stand before, the next one is one of `tokens`: they score 0, all others nothing.

    A language's token behind the start of a translation (Liu et al., 2020, arXiv:2001.08210), or the end token at the
    last place. Certainty scores 0 also where logits are log-probabilities, so a beam pays nothing for it.
    """

    def __init__(self, tokens: Sequence[int], *, place: int):
        if not tokens:
            raise ValueError("tokens: expected at least one")
        if place < 0:
            raise ValueError(f"place: expected a number from 0, got {place}")
        self._tokens, self._place = list(tokens), place

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        certain = torch.full_like(logits, -torch.inf)
        certain[:, self._tokens] = 0
        return torch.where((state == self._place)[:, None], certain, logits)
