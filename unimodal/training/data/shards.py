"""Which of a run's batches each process takes."""

from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Shards:
    """A run's batches are cut in `total` shards; process r of w takes shards r, r + w, r + 2 w, ... in turns.

    What a step sees and draws follows the shards, so one process that accumulates over two of them takes the steps of
    two processes. Raises ValueError where the shards cannot be dealt evenly.
    """

    total: int
    rank: int = 0
    ranks: int = 1

    def __post_init__(self) -> None:
        if self.total < 1 or self.total % self.ranks:
            raise ValueError(f"data.batching.shards: {self.total} cannot be dealt evenly to {self.ranks} processes")

    @property
    def own(self) -> int:
        """How many of them this process takes."""
        return self.total // self.ranks

    def place(self, number: int) -> tuple[int, int]:
        """(shard, number of the batch in it) of this process's batch `number`."""
        turn, own = divmod(number, self.own)
        return self.rank + own * self.ranks, turn

    def seed(self, run: int, number: int) -> int:
        """Of the noise in this process's batch `number`, in a run with a seed."""
        shard, turn = self.place(number)
        return ((run << 40) + turn) * self.total + shard
