"""The contract of a guide: what is known of the answer beforehand, said to the decoder through its logits.

b rows of the decoder (beams included), v vocabulary, r rows that go on
"""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

import torch
from jaxtyping import Float, Int
from torch import Tensor

S = TypeVar("S")

NOTHING = -1
"""Stands for padding where a guide is told of a prompt: a place without a token."""


class Guide(ABC, Generic[S]):
    """Changes the logits of each step by what was written so far; holds no state itself, so beams may come and go.

    Laws: at strength zero (where it has a strength) `adjust` is the identity; a row depends on its own tokens only;
    `take` before or after `advance` is the same; `adjust` leaves every row at least one token and does not change what
    it is given.
    """

    @abstractmethod
    def start(self, rows: int, device: torch.device | None = None) -> S:
        """The state before the first token."""

    @abstractmethod
    def adjust(self, logits: Float[Tensor, "b v"], state: S) -> Float[Tensor, "b v"]:
        """The logits of the next token, adjusted."""

    @abstractmethod
    def advance(self, state: S, tokens: Int[Tensor, " b"]) -> S:
        """The state after one more token a row."""

    @abstractmethod
    def take(self, state: S, rows: Int[Tensor, " r"]) -> S:
        """The state of these rows, in this order (a row may go on several times)."""
