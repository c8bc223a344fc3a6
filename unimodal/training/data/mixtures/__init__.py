"""Mixtures: what share of the drawn examples each task has. The contract."""

from abc import ABC, abstractmethod
from collections.abc import Mapping


class Mixture(ABC):
    """Law: shares are 0 or more and sum to 1; the order of the tasks changes nothing."""

    @abstractmethod
    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """The share of each task, from the number of its examples."""


def normalized(amounts: Mapping[str, float]) -> dict[str, float]:
    """Amounts as shares of their sum. Raises ValueError where nothing is left to draw."""
    whole = sum(amounts.values())
    if whole <= 0:
        raise ValueError("shares: no task has a share above 0")
    return {task: amount / whole for task, amount in amounts.items()}
