"""Bucketings: which examples of a window stand in a batch together. The contract."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from random import Random

Length = tuple[int, int]
"""Entries of an example: (source, target)."""


class Bucketing(ABC):
    """Law: every example is in exactly one batch; equal generators give equal batches."""

    @abstractmethod
    def split(self, lengths: Sequence[Length], batches: int, generator: Random) -> list[list[int]]:
        """Numbers of examples for each of `batches` batches of about the same work, none of them empty."""
