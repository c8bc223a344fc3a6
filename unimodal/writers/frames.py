"""Writes frames of a modality (speech): post-net out, pre-net in, until the post-net says stop."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from unimodal.decoding.rows import Rows
from unimodal.decoding.tree import TokenTree
from unimodal.modality import Postnet
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
        self._rows = Rows(examples)

    def write(self, hidden: Float[Tensor, "b d"]) -> Step:
        decoded = self._postnet.decode(hidden[:, None])
        self._written += 1
        self._rows.write({name: value[:, 0] for name, value in decoded.items()})
        rows = self._rows.keep(self._going(decoded))
        if rows is not None:
            decoded = {name: value[rows] for name, value in decoded.items()}
        tokens = torch.zeros(len(self._rows.running), 1, dtype=torch.long, device=hidden.device)
        if not len(tokens):
            return Step(rows, TokenTree.chain(tokens))
        beside = {name: value[self._rows.running] for name, value in self._context.items()}
        arrays = {**beside, **self._postnet.feed(decoded), "steps": torch.full_like(tokens, self._written)}
        return Step(rows, TokenTree.chain(tokens, self._feed(arrays)))

    def _going(self, decoded: Mapping[str, Tensor]) -> Bool[Tensor, " b"]:
        """Which rows go on."""
        over = self._postnet.ended(decoded, self._ends.threshold)[:, 0]
        if self._ends.shortest <= self._written < self._ends.longest:
            return ~over
        return torch.full_like(over, self._written < self._ends.longest)

    def answers(self) -> list[dict[str, Tensor]]:
        return self._rows.parted()
