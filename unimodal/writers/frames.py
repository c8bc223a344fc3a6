"""Writes frames of a modality (speech): post-net out, pre-net in, until the post-net says stop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.modality import Postnet
from unimodal.tree import TokenTree
from unimodal.writers import Step, Writer

Feed = Callable[[Mapping[str, Tensor]], Tensor]
"""Arrays of one step for each row -> its embedding [b, 1, d]: the pre-net of the same name."""


@final
@dataclass(frozen=True)
class Ends:
    """When an answer ends: at the first step that is the last one with probability `threshold`, within two bounds."""

    longest: int
    shortest: int = 1
    threshold: float = 0.5


@final
class FrameWriter(Writer[dict[str, Tensor]]):
    """Each answer is what the post-net decoded at its steps, stacked: {name: [steps, ...]}.

    Of its steps an answer has one at least, at most `ends.longest`. `context` are arrays [examples, 1, ...] that every
    step is given beside its own; `steps` is its number, from 0.
    """

    def __init__(
        self, postnet: Postnet, *, feed: Feed, examples: int, ends: Ends, context: Mapping[str, Tensor] | None = None
    ) -> None:
        self._postnet = postnet
        self._feed = feed
        self._ends = ends
        self._context = {} if context is None else dict(context)
        self._written = 0
        self._running = list(range(examples))
        self._steps: list[list[dict[str, Tensor]]] = [[] for _ in range(examples)]

    def write(self, hidden: Float[Tensor, "b d"]) -> Step:
        decoded = self._postnet.decode(hidden[:, None])
        self._written += 1
        for row, example in enumerate(self._running):
            self._steps[example].append({name: value[row, 0] for name, value in decoded.items()})
        rows = self._going(decoded)
        self._running = [self._running[row] for row in rows]
        kept = torch.tensor(rows, dtype=torch.long, device=hidden.device)
        tokens = kept.new_zeros(len(rows), 1)
        if not rows:
            return Step(kept, TokenTree.chain(tokens))
        arrays = self._postnet.feed({name: value[kept] for name, value in decoded.items()})
        beside = {name: value[self._running] for name, value in self._context.items()}
        numbers = torch.full_like(tokens, self._written)
        return Step(kept, TokenTree.chain(tokens, self._feed({**beside, **arrays, "steps": numbers})))

    def _going(self, decoded: Mapping[str, Tensor]) -> list[int]:
        """The rows that go on."""
        if self._written >= self._ends.longest:
            return []
        ended = self._postnet.ended(decoded, self._ends.threshold)[:, 0].tolist()
        return [row for row, over in enumerate(ended) if not over or self._written < self._ends.shortest]

    def answers(self) -> list[dict[str, Tensor]]:
        return [{name: torch.stack([step[name] for step in steps]) for name in steps[0]} for steps in self._steps]
