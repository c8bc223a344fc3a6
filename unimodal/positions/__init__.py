"""Positions: how a stack tells entries apart by where they stand.

A Position may act in four places; each of the abstract kinds below acts in one and is silent in the others.
"""

from abc import ABC, abstractmethod

from jaxtyping import Float, Int
from torch import Tensor, nn


class Position(nn.Module, ABC):
    """Laws: only positions matter, never the slot; nothing is precomputed for a longest length unless it is learned."""

    limit: int | None = None
    """Entries that it has positions for; None: any number."""

    def check_length(self, positions: Int[Tensor, "#b t"]) -> None:
        """Raises ValueError for positions behind the last that was learned."""
        if self.limit is not None and positions.numel() and int(positions.max()) >= self.limit:
            raise ValueError(
                f"longest: the model has {self.limit} learned positions, the input needs {int(positions.max()) + 1}"
            )

    @abstractmethod
    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        """The stack's input with its positions added."""

    @abstractmethod
    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        """Queries or keys, turned by their positions."""

    @abstractmethod
    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        """What is added to the scores of every block: computed once a pass, in a long one for a few queries at once."""

    @abstractmethod
    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        """What is added to the scores and depends on the (scaled) query: computed in every block."""


class AddedPosition(Position):
    """Absolute: added once to the input."""

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        return x

    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        return None

    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        return None


class RotatedPosition(Position):
    """Relative through the rotation of queries and keys."""

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        return x

    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        return None

    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        return None


class BiasedPosition(Position):
    """Relative through a bias on the scores that all blocks share."""

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        return x

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        return x

    def score(
        self, q: Float[Tensor, "b t h k"], query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "b h t s"] | None:
        return None


class ScoredPosition(Position):
    """Relative through a term of the scores that reads the query."""

    def add(self, x: Float[Tensor, "b t d"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t d"]:
        return x

    def rotate(self, x: Float[Tensor, "b t h k"], positions: Int[Tensor, "#b t"]) -> Float[Tensor, "b t h k"]:
        return x

    def bias(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"]
    ) -> Float[Tensor, "#b h t s"] | None:
        return None
