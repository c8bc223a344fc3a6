"""The contract of a grammar: which token may follow which, for a decoder that is held to it.

b batch, v vocabulary, c classes of tokens that a grammar never tells apart
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Bool, Int
from torch import Tensor

DEAD = -1
NEVER = torch.iinfo(torch.long).max


class Grammar(ABC):
    """A set of token sequences, read one token at a time with a state that is an integer.

    What a state allows is said by class of tokens, so that its mask has a few dozen entries and not a vocabulary.
    Laws: `step` leads to `DEAD` exactly for tokens that are not `allowed`; `DEAD` allows nothing and stays dead;
    from every other state some sequence leads to a final state, so a decoder that takes allowed tokens is never stuck,
    and one that takes those allowed `within` its last n tokens has come to a final state when they are used up.
    """

    @property
    @abstractmethod
    def classes(self) -> Int[Tensor, " v"]:
        """The class of each token, a number below c."""

    @abstractmethod
    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        """The state before the first token."""

    @abstractmethod
    def live(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b c"]:
        """The classes that may come next; with `within`, those that begin a way to a final state of so many tokens."""

    @abstractmethod
    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The state after one more token."""

    @abstractmethod
    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        """Whether the tokens so far are a whole sequence of the language."""

    @abstractmethod
    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The fewest tokens that lead to a final state; `NEVER` from `DEAD`."""

    def allowed(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b v"]:
        """As `live`, by token."""
        return self.live(state, within)[..., self.classes.to(state.device)]

    def accepts(self, tokens: Sequence[int]) -> bool:
        """Whether a sequence, its end token included, belongs to the language."""
        state = self.start(1)
        for token in tokens:
            state = self.step(state, torch.tensor([token]))
        return bool(self.final(state))
