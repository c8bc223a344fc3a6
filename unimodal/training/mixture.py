"""Which task the next example is of, and which of its examples."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor


@final
class Mixture:
    """Shares of tasks in proportion to their sizes to the power of 1/temperature (Arivazhagan et al. 2019, 1907.05019).

    Temperature 1 is in proportion to sizes, a high one makes all alike; a size counts as at most `most`, so that made
    data without end drowns nothing. `shares` fixes those of some tasks; the others divide what is left.
    """

    def __init__(
        self, *, temperature: float = 1.0, shares: Mapping[str, float] | None = None, most: int = 100_000
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature: expected a number above 0, got {temperature}")
        self.temperature, self.fixed, self.most = temperature, dict(shares or {}), most
        if any(share < 0 for share in self.fixed.values()) or sum(self.fixed.values()) > 1 + 1e-6:
            raise ValueError("shares: expected shares of the whole, from 0 up, that sum to 1 at most")

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        """The share of each task, from the number of its examples; the fixed share of an absent task is void."""
        fixed = {task: self.fixed[task] for task in sizes if task in self.fixed}
        powers = {task: min(size, self.most) ** (1 / self.temperature) for task, size in sizes.items()}
        free = sum(power for task, power in powers.items() if task not in fixed)
        left = 1 - sum(fixed.values())
        found = {task: fixed[task] if task in fixed else left * powers[task] / free for task in sizes}
        whole = sum(found.values())
        if whole <= 0:
            raise ValueError("shares: no task has a share above 0")
        return {task: share / whole for task, share in found.items()}


@final
class Stream:
    """Draws of (task, example) without end, in windows: window w is a pure function of the seed and w.

    Tasks are drawn by their shares; a task's own examples come in rounds, each round all of them once, shuffled anew.
    """

    def __init__(self, sizes: Mapping[str, int], shares: Mapping[str, float], *, window: int, seed: int) -> None:
        self.sizes, self.window_size, self.seed = dict(sizes), window, seed
        self._shares = [shares[task] for task in self.sizes]
        self._window, self._seen = 0, dict.fromkeys(self.sizes, 0)

    def window(self, number: int) -> list[tuple[str, int]]:
        """The draws of one window."""
        if number < self._window:
            self._window, self._seen = 0, dict.fromkeys(self.sizes, 0)
        while self._window < number:  # how often each task was drawn before decides where its round stands
            for task in self._tasks(self._window):
                self._seen[task] += 1
            self._window += 1
        seen, drawn = dict(self._seen), []
        for task in self._tasks(number):
            round_, place = divmod(seen[task], self.sizes[task])
            drawn.append((task, int(_order(self.seed, task, round_, self.sizes[task])[place])))
            seen[task] += 1
        return drawn

    def _tasks(self, window: int) -> Sequence[str]:
        return Random(f"{self.seed} tasks {window}").choices(list(self.sizes), self._shares, k=self.window_size)


@lru_cache(maxsize=64)
def _order(seed: int, task: str, round_: int, size: int) -> Int[Tensor, " size"]:
    """The order of a task's examples in one round."""
    generator = torch.Generator().manual_seed(Random(f"{seed} {task} {round_}").getrandbits(63))
    return torch.randperm(size, generator=generator)
