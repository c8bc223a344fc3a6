"""Examples that lie in blocks, which are best read one after the other."""

from abc import ABC, abstractmethod
from collections.abc import Sequence

from unimodal.task import Example


class Blocked(Sequence[Example], ABC):
    """Examples of several files, each with some that follow one another. Law: `blocks` sum to the length."""

    @property
    @abstractmethod
    def blocks(self) -> Sequence[int]:
        """How many examples each file holds."""


def blocks_of(examples: Sequence[Example]) -> Sequence[int]:
    """Sizes of the blocks; what lies in memory is one block."""
    return examples.blocks if isinstance(examples, Blocked) else [len(examples)]
