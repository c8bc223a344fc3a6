"""Writes frames of a modality (speech): post-net out, pre-net in, until the post-net says stop."""

from collections.abc import Callable, Mapping
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
class FrameWriter(Writer[dict[str, Tensor]]):
    """Each answer is what the post-net decoded at its steps, stacked: {name: [steps, ...]}."""

    def __init__(self, postnet: Postnet, *, feed: Feed, examples: int, limit: int) -> None:
        self._postnet = postnet
        self._feed = feed
        self._limit = limit
        self._running = list(range(examples))
        self._steps: list[list[dict[str, Tensor]]] = [[] for _ in range(examples)]

    def write(self, hidden: Float[Tensor, "b d"]) -> Step:
        decoded = self._postnet.decode(hidden[:, None])
        for row, example in enumerate(self._running):
            self._steps[example].append({name: value[row, 0] for name, value in decoded.items()})
        going = (decoded["stop"][:, 0] < 0).tolist()
        rows = [
            row
            for row, (example, goes) in enumerate(zip(self._running, going, strict=True))
            if goes and len(self._steps[example]) < self._limit
        ]
        self._running = [self._running[row] for row in rows]
        kept = torch.tensor(rows, dtype=torch.long, device=hidden.device)
        embeds = self._feed(self._postnet.feed({name: value[kept] for name, value in decoded.items()}))
        return Step(kept, TokenTree.chain(kept.new_zeros(len(rows), 1), embeds))

    def answers(self) -> list[dict[str, Tensor]]:
        return [{name: torch.stack([step[name] for step in steps]) for name in steps[0]} for steps in self._steps]
