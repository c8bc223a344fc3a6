"""What a worker sends, counted in one place."""

from dataclasses import dataclass
from typing import final

from jaxtyping import UInt8
from torch import Tensor

from unimodal.links import Link, Pending, Round
from unimodal.links.relay import Relay


@final
@dataclass
class Traffic:
    """One worker's messages. Bytes are those of its messages, each counted once however many workers read it.

    What a transport adds (headers, its ring or tree, the agreement on who takes part) is not in them.
    """

    bytes: int = 0
    messages: int = 0
    peak: int = 0
    """Bytes of the step with most of them."""
    missing: int = 0
    """Messages, of all workers, that a round had to do without."""


@final
class Counted(Relay):
    """Counts messages on their way to another link."""

    def __init__(self, link: Link) -> None:
        super().__init__(link)
        self.traffic = Traffic()
        self._step = 0

    def begin_step(self) -> None:
        """Messages from here on belong to another step than those before."""
        self._step = 0

    def gather(self, message: UInt8[Tensor, " c"]) -> Pending:
        expected, collect = set(self.workers), self.link.gather(message)
        self._step += len(message)
        self.traffic.bytes += len(message)
        self.traffic.messages += 1
        self.traffic.peak = max(self.traffic.peak, self._step)

        def wait() -> Round:
            arrived = collect()
            self.traffic.missing += len(expected - set(arrived))
            return arrived

        return wait
