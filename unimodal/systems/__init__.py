"""The contract of a published method's evidence: what must hold exactly, and what it claims over a baseline.

Every other module here is one method, named by its slug (hyphens become underscores), and holds one final System.
`unimodal systems check SLUG` runs it. The method itself is parts elsewhere; only evidence stands here.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import final

from unimodal.measuring.measure import Claim


@final
@dataclass(frozen=True)
class Invariant:
    """Something that holds exactly or within rounding, checked in seconds."""

    name: str
    check: Callable[[], None]
    """Raises AssertionError when it does not hold."""


class System(ABC):
    """Evidence that a published method works as its paper says.

    Laws: the constructor takes nothing; invariants run in seconds, the claim in minutes; both seed what they draw;
    an invariant could fail for an implementation that is wrong.
    """

    @abstractmethod
    def invariants(self) -> Iterable[Invariant]:
        """What must hold, cheap ones first."""

    @abstractmethod
    def claim(self) -> Claim | None:
        """The paper's claim in miniature; None for a method that claims nothing beyond its invariants."""
