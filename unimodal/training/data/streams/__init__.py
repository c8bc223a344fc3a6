"""Streams: which examples are drawn next, in windows that are cut into batches. The contract."""

from abc import ABC, abstractmethod
from dataclasses import dataclass

from unimodal.batching import Draw

BATCHES_A_WINDOW = 16


@dataclass(frozen=True)
class Group:
    """Draws that are cut into `batches` batches of their own."""

    draws: list[Draw]
    batches: int


class Stream(ABC):
    """Draws without end for each shard of a run.

    Laws: a window is a pure function of seed, shard and number, and is opened as fast whatever its number; its groups
    make 16 batches; over all shards, each round of a task has every example of it once; tasks keep their shares.
    """

    @abstractmethod
    def window(self, shard: int, number: int) -> list[Group]:
        """The draws of one window of one shard."""
