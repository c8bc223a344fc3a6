"""The contract of a scorer: what else, beside the decoder, knows how likely each next token is.

b rows of the decoder (beams included), v vocabulary, r rows that go on
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from typing import Generic, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.decoding.session import Session

S = TypeVar("S")

LEAST = -1000.0
"""Stands for the log-probability of what is impossible: a number, so that a sum with other scores stays one."""


class Scorer(ABC, Generic[S]):
    """Log-probabilities of next tokens, from the same source or from other knowledge; never from the decoder's logits.

    Unlike a guide it is told the session that writes, so it may read the source, or keep a session of its own. It holds
    no state of a generation itself, so beams may come and go.
    Laws: the probabilities of a row's next tokens sum to 1 at most (where one token ends an answer); none is below
    `LEAST`; a row depends on its own source and tokens only; `take` before or after `advance` is the same.
    """

    @abstractmethod
    def start(self, session: Session, ends: Collection[int]) -> S:
        """The state of each row before its first token; the session has read its prompts.

        Raises ValueError for a model or a prompt that lacks what the scorer needs.
        """

    @abstractmethod
    def score(self, state: S) -> Float[Tensor, "b v"]:
        """The log-probability of each next token, or of the end."""

    @abstractmethod
    def advance(self, state: S, tokens: Int[Tensor, " b"]) -> S:
        """The state after one more token a row."""

    @abstractmethod
    def take(self, state: S, rows: Int[Tensor, " r"]) -> S:
        """The state of these rows, in this order (a row may go on several times)."""
