"""Writes frames of a modality (speech): post-net out, pre-net in, until the post-net says stop.

b rows of a step, e answers, d width
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.decoding.rows import Rows
from unimodal.decoding.tree import TokenTree
from unimodal.modality import Postnet
from unimodal.writers import Step, Writer

Feed = Callable[[Mapping[str, Tensor]], Tensor]
"""Arrays of one step for each row -> its embedding [b, 1, d]: the pre-net of the same name."""


@final
@dataclass(frozen=True, eq=False)
class Ends:
    """When answers end: each at the first step that is the last one with probability `threshold`, within two bounds."""

    longest: Int[Tensor, " e"]
    """Steps, of each answer."""
    shortest: Int[Tensor, " e"]
    threshold: float = 0.5

    @classmethod
    def alike(cls, examples: int, *, longest: int, shortest: int = 1, threshold: float = 0.5) -> "Ends":
        """The same bounds for all answers."""
        return cls(torch.full((examples,), longest), torch.full((examples,), shortest), threshold)


@final
class Pace(NamedTuple):
    """How many steps an answer takes for each entry of what it answers, where that is known: at least, at most."""

    least: float
    most: float

    def ends(self, entries: Int[Tensor, " e"], *, limit: int) -> Ends:
        """For prompts of so many entries, within a limit."""
        longest = (entries * self.most).ceil().clamp(1, limit).long()
        return Ends(longest, torch.minimum((entries * self.least).long(), longest))


ANY_PACE = Pace(0.0, math.inf)


@final
class FrameWriter(Writer[dict[str, Tensor]]):
    """Each answer is what the post-net decoded at its steps, stacked: {name: [steps, ...]}.

    Of its steps an answer has one at least. `context` are arrays [e, 1, ...] that every step is given beside its own;
    `steps` is its number, from 0.
    """

    def __init__(
        self, postnet: Postnet, *, feed: Feed, ends: Ends, context: Mapping[str, Tensor] | None = None
    ) -> None:
        self._postnet = postnet
        self._feed = feed
        self._ends = ends
        self._context = {} if context is None else dict(context)
        self._written = 0
        self._rows = Rows(len(ends.longest))

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
        rows = self._rows.running
        shortest, longest = (bound.to(rows.device)[rows] for bound in (self._ends.shortest, self._ends.longest))
        return (longest > self._written) & (~over | (shortest > self._written))

    def answers(self) -> list[dict[str, Tensor]]:
        return self._rows.parted()
