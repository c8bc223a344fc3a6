"""Corruptors: what is hidden of a text, so that a model learns to fill it in. The contract."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Corruption:
    """What is read, what is to be written, and which tokens of that are asked for."""

    source: list[int]
    target: list[int]
    asked: list[bool]
    """Whether each token of the target is learned."""


class Corruptor(ABC):
    """Hides parts of a text of token ids. The builder gives constructors the `vocabulary`.

    Laws: `restore(source, target)` is the text again, whatever was drawn; all that is drawn comes from the generator,
    so equal generators corrupt alike; `asked` is as long as the target; what is read and written are ids of the text
    and marks alone.
    """

    marks: Sequence[int]
    """Ids that stand for what is hidden, in turn; the last one for all that is left."""

    @abstractmethod
    def corrupt(self, ids: Sequence[int], generator: torch.Generator) -> Corruption:
        """One draw. Raises ValueError for a text that holds a mark."""

    @abstractmethod
    def restore(self, source: Sequence[int], target: Sequence[int]) -> list[int]:
        """The text, from what was read and what was written."""
