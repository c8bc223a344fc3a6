"""Examples drawn from a seed, so that training data need not end. The contract."""

from abc import ABC, abstractmethod
from typing import Generic, TypeVar

T = TypeVar("T")


class World(ABC, Generic[T]):
    """A source of made things. Law: equal seeds give equal things, in any order and in any process."""

    @abstractmethod
    def draw(self, seed: int) -> T:
        """The thing of a seed."""
