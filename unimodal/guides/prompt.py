"""Tells a guide of the prompt.

b rows, t tokens of the prompt, v vocabulary, r rows that go on
"""

from typing import Any, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides import Guide


@final
class PromptGuide(Guide[Any]):
    """Another guide, as if the tokens that the decoder was given had been written before the answer."""

    def __init__(self, guide: Guide[Any], prompt: Int[Tensor, "b t"]):
        self._guide, self._prompt = guide, prompt

    def start(self, rows: int, device: torch.device | None = None) -> Any:
        assert rows == self._prompt.shape[0], "a prompt is told to the rows that it was made for"
        state = self._guide.start(rows, device)
        for tokens in self._prompt.to(device).T:
            state = self._guide.advance(state, tokens)
        return state

    def adjust(self, logits: Float[Tensor, "b v"], state: Any) -> Float[Tensor, "b v"]:
        return self._guide.adjust(logits, state)

    def advance(self, state: Any, tokens: Int[Tensor, " b"]) -> Any:
        return self._guide.advance(state, tokens)

    def take(self, state: Any, rows: Int[Tensor, " r"]) -> Any:
        return self._guide.take(state, rows)
