"""As even as it can be with no task repeated too often."""

from collections.abc import Mapping
from typing import final

from unimodal.training.data.mixtures import Mixture, normalized


@final
class UniMax(Mixture):
    """The same for every task, but never more than `epochs` rounds of its examples (Chung et al. 2023, 2304.09151).

    From the smallest task on, each gets an even part of the budget that is left, or `epochs` times its size where that
    is less. We count examples where the paper counts characters. A budget that all tasks together cannot fill keeps
    every task at its most.
    """

    def __init__(self, *, budget: int, epochs: float) -> None:
        """`budget`: examples of the whole run, over all processes."""
        for name, value in (("budget", budget), ("epochs", epochs)):
            if value <= 0:
                raise ValueError(f"{name}: expected a number above 0, got {value}")
        self.budget, self.epochs = budget, epochs

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        left, amounts = float(self.budget), dict.fromkeys(sizes, 0.0)
        for num_done, task in enumerate(sorted(sizes, key=lambda task: (sizes[task], task))):
            amounts[task] = min(left / (len(sizes) - num_done), sizes[task] * self.epochs)
            left -= amounts[task]
        return normalized(amounts)
