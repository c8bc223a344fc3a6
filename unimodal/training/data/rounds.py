"""Which example a task's n-th draw is: rounds of all its examples, shuffled anew, divided among shards of a run."""

import bisect
import itertools
from collections.abc import Mapping, Sequence
from functools import lru_cache
from random import Random
from typing import final

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.batching import Draw


@final
class Rounds:
    """Draws of each shard of a run by their number, each found without those before it.

    `blocks` are the sizes of a task's runs of examples that are read together (tar files; one block for what lies in
    memory). A round shuffles the blocks and the examples of each block. The n-th draw of shard s is draw n x shards + s
    of the task, so all shards together go through a round once, and each reads a stretch of neighbouring blocks.
    """

    def __init__(self, blocks: Mapping[str, Sequence[int]], *, seed: int, shards: int = 1) -> None:
        self.blocks = {task: tuple(sizes) for task, sizes in blocks.items()}
        self.sizes = {task: sum(sizes) for task, sizes in self.blocks.items()}
        self.seed, self.shards = seed, shards
        self._starts = {task: (0, *itertools.accumulate(sizes)) for task, sizes in self.blocks.items()}

    def draw(self, task: str, shard: int, number: int) -> Draw:
        size = self.sizes[task]
        round_, place = divmod(number * self.shards + shard, size)
        lane, step = place % self.shards, place // self.shards
        slot = lane * (size // self.shards) + min(lane, size % self.shards) + step
        order, ends = _order(self.seed, task, round_, self.blocks[task])
        turn = bisect.bisect(ends, slot)
        block = order[turn]
        inside = _permutation(self.seed, f"{task} {round_} {block}", self.blocks[task][block])
        first = ends[turn] - self.blocks[task][block]
        return Draw(task, round_, self._starts[task][block] + int(inside[slot - first]))


@lru_cache(maxsize=64)
def _order(seed: int, task: str, round_: int, blocks: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """The blocks as they come in a round, and the place at which each ends."""
    order = _permutation(seed, f"{task} {round_}", len(blocks)).tolist()
    return order, list(itertools.accumulate(blocks[block] for block in order))


@lru_cache(maxsize=64)
def _permutation(seed: int, name: str, size: int) -> Int[Tensor, " size"]:
    generator = torch.Generator().manual_seed(Random(f"{seed} {name}").getrandbits(63))
    return torch.randperm(size, generator=generator)
