"""Several guides in order.

b rows, v vocabulary, r rows that go on
"""

from collections.abc import Sequence
from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide


@final
class ChainGuide(Guide[tuple[Any, ...]]):
    """Each guide adjusts what the one before it left.

    An earlier guide outranks a later one: where together they would leave a row no token, the later one is not heard
    for that row and step. So a grammar stands first.
    """

    def __init__(self, guides: Sequence[Guide[Any]]):
        self._guides = tuple(guides)

    def start(self, rows: int, device: torch.device | None = None) -> tuple[Any, ...]:
        return tuple(guide.start(rows, device) for guide in self._guides)

    def adjust(self, logits: Float[Tensor, "b v"], state: tuple[Any, ...]) -> Float[Tensor, "b v"]:
        for place, (guide, part) in enumerate(zip(self._guides, state, strict=True)):
            adjusted = guide.adjust(logits, part)
            if place > 0 and adjusted is not logits:  # the first leaves every row a token by itself
                some_token_left = adjusted.amax(-1, keepdim=True) > -torch.inf
                adjusted = torch.where(some_token_left, adjusted, logits)
            logits = adjusted
        return logits

    def advance(self, state: tuple[Any, ...], tokens: Int[Tensor, " b"]) -> tuple[Any, ...]:
        return tuple(guide.advance(part, tokens) for guide, part in zip(self._guides, state, strict=True))

    def take(self, state: tuple[Any, ...], rows: Int[Tensor, " r"]) -> tuple[Any, ...]:
        return tuple(guide.take(part, rows) for guide, part in zip(self._guides, state, strict=True))
