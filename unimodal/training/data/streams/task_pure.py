"""One task a batch."""

from collections.abc import Mapping
from random import Random
from typing import final

from unimodal.training.data.rounds import Rounds
from unimodal.training.data.streams import BATCHES_A_WINDOW, Group, Stream

BITS = 24


@final
class TaskPureStream(Stream):
    """Every batch is of one task, with as many examples of it as fill a batch; shares are of examples all the same.

    The task of batch n is that whose part of the unit interval holds the n-th point of van der Corput's sequence
    (1935), shifted by a seed of the shard. Its points before n can be counted in any part by a formula, and stray from
    the shares by a few batches at most, however long the run.
    """

    def __init__(
        self, rounds: Rounds, *, shares: Mapping[str, float], means: Mapping[str, float], entries: int
    ) -> None:
        """`means`: entries of an example of each task; `entries`: of a batch, on average."""
        self.rounds = rounds
        self.examples = {task: max(1, round(entries / means[task])) for task in sorted(shares)}
        batches = {task: shares[task] / num for task, num in self.examples.items()}
        whole, done, begin = sum(batches.values()), 0.0, 0
        self._parts: dict[str, list[tuple[int, int]]] = {}
        for task, part in batches.items():
            done += part
            end = round(done / whole * (1 << BITS))
            self._parts[task] = _dyadic(begin, end)
            begin = end

    def window(self, shard: int, number: int) -> list[Group]:
        groups = []
        for task, num in self.examples.items():
            begin, end = (self._count(task, shard, (number + ahead) * BATCHES_A_WINDOW) for ahead in (0, 1))
            if end > begin:
                draws = [self.rounds.draw(task, shard, place) for place in range(begin * num, end * num)]
                groups.append(Group(draws, end - begin))
        return groups

    def _count(self, task: str, shard: int, batch: int) -> int:
        """Batches of a task before a batch."""
        shift = Random(f"{self.rounds.seed} shift {shard}").getrandbits(BITS)
        return sum(_points(batch, part, bits, shift) for part, bits in self._parts[task])


def _dyadic(begin: int, end: int) -> list[tuple[int, int]]:
    """[begin, end) of 2**BITS as parts (part, bits): all numbers whose first `bits` bits are `part`."""
    parts = []
    while begin < end:
        free = min((begin & -begin).bit_length() - 1 if begin else BITS, (end - begin).bit_length() - 1)
        parts.append((begin >> free, BITS - free))
        begin += 1 << free
    return parts


def _points(num: int, part: int, bits: int, shift: int) -> int:
    """How many of the first `num` points begin with the bits of `part`: those at one residue modulo 2**bits."""
    first = part ^ (shift >> (BITS - bits))
    residue = int(f"{first:0{bits}b}"[::-1], 2) if bits else 0
    return max(0, -((residue - num) >> bits))
