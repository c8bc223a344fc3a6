"""Makes what stands in the source more or less likely.

b rows, e examples, s tokens of the source, v vocabulary, r rows that go on
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide


@final
class SourceRepetitionGuide(Guide[Int[Tensor, " b"]]):
    """Divides the positive and multiplies the negative logits of each row's source tokens by 1 + `strength`.

    A strength between -1 and 0 makes them likelier. transformers calls 1 / (1 + strength) the encoder's repetition
    penalty.
    """

    def __init__(self, source: Int[Tensor, "e s"], *, strength: float):
        if not strength > -1:
            raise ValueError(f"strength: expected a number above -1, got {strength}")
        self._source, self._theta = source, 1 + strength

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        assert rows == self._source.shape[0], "sources belong to the rows that they were read for"
        return torch.arange(rows, device=device)

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        tokens = self._source.to(state.device)[state]
        read = logits.gather(1, tokens)
        return logits.scatter(1, tokens, torch.where(read < 0, read * self._theta, read / self._theta))

    def advance(self, state: Int[Tensor, " b"], tokens: Int[Tensor, " b"]) -> Int[Tensor, " b"]:
        return state

    def take(self, state: Int[Tensor, " b"], rows: Int[Tensor, " r"]) -> Int[Tensor, " r"]:
        return state[rows]
