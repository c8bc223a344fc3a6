"""A link made worse on purpose."""

import random
import time
from typing import final

from jaxtyping import UInt8
from torch import Tensor

from unimodal.links import Link, Pending, Round
from unimodal.links.relay import Relay


@final
class Unreliable(Relay):
    """Loses a share `dropout` of all messages and lets each take up to `seconds` longer, at random but repeatably.

    A message is lost to all alike, its sender included, as if the sender had come too late.
    """

    def __init__(self, link: Link, *, dropout: float = 0.0, seconds: float = 0.0, seed: int = 0) -> None:
        if not 0 <= dropout <= 1 or seconds < 0:
            raise ValueError(f"dropout, seconds: expected a share and a time, got {dropout} and {seconds}")
        super().__init__(link)
        self.dropout, self.seconds, self.seed = dropout, seconds, seed
        self.lost = 0
        """Messages so far."""
        self._rounds = 0

    def gather(self, message: UInt8[Tensor, " c"]) -> Pending:
        collect, place, began = self.link.gather(message), self._rounds, time.monotonic()
        self._rounds += 1

        def wait() -> Round:
            arrived = collect()
            # Seeded by round and sender, so that every receiver draws the same.
            fates = {number: random.Random(f"{self.seed}/{place}/{number}") for number in arrived}
            kept = {number for number, fate in fates.items() if fate.random() >= self.dropout}
            late = max((fate.random() for fate in fates.values()), default=0.0) * self.seconds
            time.sleep(max(0.0, began + late - time.monotonic()))
            self.lost += len(arrived) - len(kept)
            return {number: message for number, message in arrived.items() if number in kept}

        return wait
