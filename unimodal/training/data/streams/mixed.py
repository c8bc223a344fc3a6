"""All tasks in every window, to be mixed in its batches."""

from collections.abc import Mapping
from random import Random
from typing import final

from unimodal.training.data.rounds import Rounds
from unimodal.training.data.streams import BATCHES_A_WINDOW, Group, Stream

BITS = 48
"""Of the fraction with which shares are counted, so that counts are exact integers however far a run has come."""


@final
class MixedStream(Stream):
    """Each window draws each task by its quota: what its share asks for up to here, less what was drawn.

    A shard's draws of a task before window w are floor(w x examples x share + phase), so they are never off by a whole
    example; phases of the shards are spread evenly, so all shards together are not either (Hermite's identity).
    """

    def __init__(
        self, rounds: Rounds, *, shares: Mapping[str, float], means: Mapping[str, float], entries: int
    ) -> None:
        """`means`: entries of an example of each task; `entries`: of a batch, on average."""
        self.rounds = rounds
        mean = sum(shares[task] * means[task] for task in shares)
        self.examples = max(BATCHES_A_WINDOW, round(BATCHES_A_WINDOW * entries / mean))
        self._shares = {task: round(share * (1 << BITS)) for task, share in sorted(shares.items())}
        self._phases = {task: Random(f"{rounds.seed} phase {task}").getrandbits(BITS) for task in self._shares}

    def window(self, shard: int, number: int) -> list[Group]:
        draws = []
        for task in self._shares:
            drawn = range(self._quota(task, shard, number), self._quota(task, shard, number + 1))
            draws += [self.rounds.draw(task, shard, place) for place in drawn]
        Random(f"{self.rounds.seed} window {shard} {number}").shuffle(draws)
        return [Group(draws, BATCHES_A_WINDOW)]

    def _quota(self, task: str, shard: int, window: int) -> int:
        """Draws of a task before a window."""
        phase = (self._phases[task] + (shard << BITS)) // self.rounds.shards
        return (window * self.examples * self._shares[task] + phase) >> BITS
