"""Writes tokens: head, guide, sampler."""

from collections.abc import Callable
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.decoding.tree import TokenTree
from unimodal.guides import Guide
from unimodal.samplers import Growth, Hypothesis, Search
from unimodal.writers import Step, Writer

Head = Callable[[Tensor], Tensor]


@final
class TokenWriter(Writer[list[Hypothesis]]):
    """Scores by `head`, adjusted by `guide`, chosen by `search`."""

    def __init__(self, head: Head, *, guide: Guide[Any], search: Search) -> None:
        self._head = head
        self._guide = guide
        self._search = search
        self._state: Any = None

    def write(self, hidden: Float[Tensor, "b d"]) -> Step:
        if self._state is None:
            self._state = self._guide.start(hidden.shape[0], hidden.device)
        logits = self._head(hidden)
        logits = logits.to(torch.promote_types(logits.dtype, torch.float32))
        choice = self._search.step(self._guide.adjust(logits, self._state))
        state = self._state if choice.rows is None else self._guide.take(self._state, choice.rows)
        self._state = self._guide.advance(state, choice.tokens)
        return Step(choice.rows, TokenTree.chain(choice.tokens[:, None]))

    def grown(self) -> list[Growth]:
        """What the last step has made certain."""
        return self._search.grown()

    def answers(self) -> list[list[Hypothesis]]:
        return self._search.results()
