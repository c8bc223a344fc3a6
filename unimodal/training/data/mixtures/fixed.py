"""Shares that a config names."""

from collections.abc import Mapping
from typing import final

from unimodal.training.data.mixtures import Mixture, normalized
from unimodal.training.data.mixtures.temperature import Temperature


@final
class Fixed(Mixture):
    """The shares given; tasks that have none divide what is left as `rest` says. An absent task's share is void."""

    def __init__(self, *, shares: Mapping[str, float], rest: Mixture | None = None) -> None:
        if any(share < 0 for share in shares.values()) or sum(shares.values()) > 1 + 1e-6:
            raise ValueError("shares: expected shares of the whole, from 0 up, that sum to 1 at most")
        self.fixed, self.rest = dict(shares), Temperature() if rest is None else rest

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        fixed = {task: self.fixed[task] for task in sizes if task in self.fixed}
        others = {task: size for task, size in sizes.items() if task not in fixed}
        left = max(0.0, 1 - sum(fixed.values()))
        divided = {task: left * share for task, share in self.rest.shares(others).items()} if others else {}
        return normalized({task: fixed[task] if task in fixed else divided[task] for task in sizes})
