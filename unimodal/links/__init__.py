"""Links: how a worker's messages reach the other workers.

c bytes
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping

from jaxtyping import UInt8
from torch import Tensor

Round = Mapping[int, Tensor]
"""Messages by the numbers of the workers that sent them, in ascending order. Who sent nothing in time is missing."""
Pending = Callable[[], Round]
"""Waits for a round that has begun."""


class Link(ABC):
    """One worker's end of what connects workers. A message is bytes; a round is what all of them sent.

    Laws: every worker gets the same rounds in the same order, its own message as the others got it; `gather` does not
    wait, so training goes on meanwhile; what `missed` gives and the rounds gathered since are the whole run.
    Raises OSError, in one line, when there is nobody to reach any more.
    """

    @abstractmethod
    def open(self) -> None:
        """Connects. Constructors only take settings, for configs build links before workers meet."""

    @property
    @abstractmethod
    def number(self) -> int:
        """Of this worker; no two have the same."""

    @property
    @abstractmethod
    def workers(self) -> list[int]:
        """Numbers of those whom the next round waits for."""

    @abstractmethod
    def gather(self, message: UInt8[Tensor, " c"]) -> Pending:
        """Begins a round with this worker's message; rounds are awaited in the order in which they began."""

    @abstractmethod
    def missed(self) -> list[Round]:
        """The rounds before this worker joined, from the first on; none where nobody can join late."""

    @abstractmethod
    def close(self) -> None:
        """Leaves; the others no longer wait for this worker."""
