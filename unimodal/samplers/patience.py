"""When a beam that has found enough answers stops looking for better ones.

e examples
"""

from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

Scores = Float[Tensor, " e"]
Decisions = Bool[Tensor, " e"]


class Patience(ABC):
    """Asked after every step; what it says counts for examples of which `width` hypotheses have ended."""

    @abstractmethod
    def may_go_on(self, best: Scores, worst: Scores, *, length: int, limit: int, length_penalty: float) -> Decisions:
        """`best`: log-probability of the best running prefix, of `length` tokens; `worst`: score of the worst ended."""


@final
class WhileBetter(Patience):
    """Goes on while a running prefix would beat the worst ended hypothesis if it ended at its present length."""

    def may_go_on(self, best: Scores, worst: Scores, *, length: int, limit: int, length_penalty: float) -> Decisions:
        penalty: float = length**length_penalty
        return best / penalty > worst


@final
class WhilePossible(Patience):
    """Goes on while a running prefix could still beat the worst ended hypothesis, at the length that favours it most.

    A log-probability can only fall on the way there, so no better hypothesis is missed.
    """

    def may_go_on(self, best: Scores, worst: Scores, *, length: int, limit: int, length_penalty: float) -> Decisions:
        penalty: float = (limit if length_penalty > 0 else length) ** length_penalty
        return best / penalty > worst


@final
class NoPatience(Patience):
    """Stops at once."""

    def may_go_on(self, best: Scores, worst: Scores, *, length: int, limit: int, length_penalty: float) -> Decisions:
        return torch.zeros_like(best, dtype=torch.bool)
