"""How often each example was trained on in each round of its task, over all processes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, final

import torch
import torch.distributed
from jaxtyping import Int
from torch import Tensor

from unimodal.batching import Draw
from unimodal.training.distributed.collectives import gather

Round = tuple[str, int]
"""(task, number of the round)."""


@final
@dataclass(frozen=True)
class Finding:
    """What one round had: `missing` examples never came, `repeated` ones more than once; `over`: it is complete."""

    task: str
    round: int
    over: bool
    missing: list[int]
    repeated: list[int]


@final
class RoundTally:
    """Counts draws by example. `close` and `state` are for all processes to call together.

    A shard takes the draws of a task in the order of its rounds, so a round is closed when every shard has come to a
    later one; that holds wherever no window of draws is half used.
    """

    def __init__(self, sizes: Mapping[str, int], *, shards: int, device: torch.device) -> None:
        """`device`: where processes can add up counts."""
        self.sizes, self.shards, self.device = dict(sizes), shards, device
        self._counts: dict[Round, Int[Tensor, " size"]] = {}
        self._reached: dict[tuple[str, int], int] = {}
        """The latest round that each shard of this process has drawn of a task."""

    def take(self, shard: int, draws: Iterable[Draw]) -> None:
        """Draws that a shard has trained on, or left out because they are too long."""
        found: dict[Round, list[int]] = {}
        for task, round_, example in draws:
            found.setdefault((task, round_), []).append(example)
            self._reached[task, shard] = max(round_, self._reached.get((task, shard), 0))
        for key, examples in found.items():
            self._own(key).index_add_(0, torch.tensor(examples), torch.ones(len(examples), dtype=torch.int32))

    def close(self) -> list[Finding]:
        """Judges the rounds that are over, and forgets them."""
        reached = self._reached_by_all()
        over = {task: min(reached.get((task, shard), 0) for shard in range(self.shards)) for task in self.sizes}
        return [self._judge(key, over=True) for key in self._keys() if key[1] < over[key[0]]]

    def repeated(self) -> list[Finding]:
        """Judges the rounds that are under way, at the end of a run: nothing is missing in them yet."""
        return [self._judge(key, over=False) for key in self._keys()]

    def state(self) -> dict[str, Any]:
        """Counts of all processes, from which any number of processes can go on."""
        return {"counts": {key: self._summed(key) for key in self._keys()}, "reached": self._reached_by_all()}

    def load(self, state: Mapping[str, Any], *, first: bool) -> None:
        """`first`: this process goes on with the counts, and the others begin with none."""
        self._counts = {key: counts.clone() for key, counts in state["counts"].items()} if first else {}
        self._reached = dict(state["reached"])

    def _judge(self, key: Round, *, over: bool) -> Finding:
        counts = self._summed(key)
        self._counts.pop(key, None)
        missing = torch.where(counts == 0)[0].tolist() if over else []
        return Finding(*key, over, missing, torch.where(counts > 1)[0].tolist())

    def _reached_by_all(self) -> dict[tuple[str, int], int]:
        return dict(item for reached in gather(self._reached) for item in reached.items())

    def _keys(self) -> list[Round]:
        """Rounds that any process knows, in one order for all."""
        return sorted({key for keys in gather(sorted(self._counts)) for key in keys})

    def _own(self, key: Round) -> Int[Tensor, " size"]:
        if key not in self._counts:
            self._counts[key] = torch.zeros(self.sizes[key[0]], dtype=torch.int32)
        return self._counts[key]

    def _summed(self, key: Round) -> Int[Tensor, " size"]:
        counts = self._own(key)
        if torch.distributed.is_available() and torch.distributed.is_initialized():
            counts = counts.to(self.device, copy=True)
            torch.distributed.all_reduce(counts)
        return counts.cpu().clone()
