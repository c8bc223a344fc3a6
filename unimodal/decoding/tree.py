"""Token trees: what one pass of a decoder tries at once. A chain of one node is plain decoding.

b rows, n nodes, a accepted nodes, d width
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class TokenTree:
    """A tree of next entries for every row, parents before their children.

    Nodes are given as tokens, or as vectors where what comes next is no token (a frame of speech).
    """

    tokens: Int[Tensor, "b n"]
    parent: Int[Tensor, "b n"] | None
    """The node that each node follows; -1: the committed entries. Several roots are allowed. None: the one before."""
    valid: Bool[Tensor, "b n"]
    embeds: Float[Tensor, "b n d"] | None = None

    @classmethod
    def chain(cls, tokens: Int[Tensor, "b n"], embeds: Float[Tensor, "b n d"] | None = None) -> "TokenTree":
        """Nodes that follow one another, so that positions alone tell what they see."""
        return cls(tokens, None, torch.ones_like(tokens, dtype=torch.bool), embeds)

    def map(self, place: Callable[[Tensor], Tensor]) -> "TokenTree":
        """The tree with its rows put elsewhere."""
        parent, embeds = (None if value is None else place(value) for value in (self.parent, self.embeds))
        return TokenTree(place(self.tokens), parent, place(self.valid), embeds)

    def seen(self) -> Bool[Tensor, "b n n"]:
        """The nodes that each node sees: its ancestors and itself."""
        rows, nodes = self.tokens.shape
        if self.parent is None:
            return torch.ones(nodes, nodes, dtype=torch.bool, device=self.tokens.device).tril().expand(rows, -1, -1)
        seen = torch.eye(nodes, dtype=torch.bool, device=self.parent.device).repeat(rows, 1, 1)
        for node in range(1, nodes):
            parent = self.parent[:, node]
            inherited = seen[torch.arange(rows, device=parent.device), parent.clamp(min=0)]
            seen[:, node] |= inherited & (parent >= 0)[:, None]
        return seen

    def depths(self) -> Int[Tensor, "b n"]:
        """Ancestors of each node: how far its position lies behind the committed entries'."""
        return self.seen().sum(-1) - 1
