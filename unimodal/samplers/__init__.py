"""Samplers: how scores become tokens.

A Sampler is a frozen choice of method; the Search that it begins holds the state of one generation.
b rows that still run, r rows of the next step, v vocabulary
"""

from abc import ABC, abstractmethod
from collections.abc import Collection
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Choice:
    """The next step: the rows that go on, and the token of each."""

    rows: Int[Tensor, " r"] | None
    """Old row numbers, repeated or dropped at will, those of an example side by side; None: all rows, as they are."""
    tokens: Int[Tensor, " r"]


@dataclass(frozen=True)
class Hypothesis:
    """One answer: its tokens, an end token among them where it ended by itself, and the score it was ranked by."""

    tokens: tuple[int, ...]
    score: float


@dataclass(frozen=True)
class Growth:
    """What has become certain of an example's first answer: its next tokens, and what they add to its score."""

    example: int
    tokens: tuple[int, ...]
    score: float


class Search(ABC):
    """One generation in progress.

    Laws: examples that have ended are dropped at once; the rows of others never matter; what has `grown` adds up to the
    first of the `results`. A step is the same few operations whatever the number of rows, and one transfer to Python,
    with a second one where rows end.
    """

    @abstractmethod
    def step(self, logits: Float[Tensor, "b v"]) -> Choice:
        """Takes a step; no rows are left when all examples have ended."""

    @abstractmethod
    def grown(self) -> list[Growth]:
        """What the last step has made certain."""

    @abstractmethod
    def results(self) -> list[list[Hypothesis]]:
        """For every example its hypotheses, what did not end as far as it came; ranked ones begin with the best."""


class Sampler(ABC):
    """A method of search."""

    streams: bool
    """Whether a token is certain when it is chosen, so that it can be shown at once."""

    @abstractmethod
    def search(self, examples: int, *, ends: Collection[int], limit: int, scored: bool = True) -> Search:
        """Begins with one row an example; an answer ends with one of the tokens `ends` or after `limit` tokens.

        Where nobody asks for scores (`scored`), those that are not needed to choose are left out, and are nan.
        """
