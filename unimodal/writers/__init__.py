"""Writers: what a step of the decoding loop makes of a hidden state: tokens, or frames of another modality."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Generic, TypeVar

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.decoding.tree import TokenTree

T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Step:
    """The loop's next pass: the rows that go on, and what each reads."""

    rows: Int[Tensor, " r"] | None
    """Old row numbers; None: all rows, as they are."""
    tree: TokenTree

    @property
    def is_last(self) -> bool:
        """Whether no row goes on."""
        return self.tree.tokens.shape[0] == 0


class Writer(ABC, Generic[T]):
    """One answer being written for each example of a batch. Law: an example's answer does not depend on the others."""

    @abstractmethod
    def write(self, hidden: Float[Tensor, "b d"]) -> Step:
        """Writes one step for every row that still runs; the last Step has no rows."""

    @abstractmethod
    def answers(self) -> list[T]:
        """What was written, in the order of the examples."""
