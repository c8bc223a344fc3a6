"""A session: a model and a cache, advancing a batch of sequences one tree at a time.

b rows, n nodes of a tree, t entries of a prompt, a accepted nodes, d width
"""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import Sequences
from unimodal.caches import Cache
from unimodal.hidden import Hidden, Memory
from unimodal.layout import Layout
from unimodal.tree import TokenTree

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

MakeCache = Callable[[int, torch.device], Cache]


@final
class Session:
    """The state of one generation: the model, its cache, and how far each row has come.

    Rows may differ in length. What `forward` runs stays open until `commit` keeps some of it; running the same tree
    again overwrites it.
    """

    def __init__(self, model: "UnimodalForConditionalGeneration", make_cache: MakeCache) -> None:
        self.model = model
        self._make_cache = make_cache

    def prefill(self, memories: Mapping[str, Memory], target: Sequences) -> Float[Tensor, "b d"]:
        """Reads each row's prompt beside the memories; the hidden state of each row's last entry."""
        self.memories = dict(memories)
        target = target.to(self.model.device)
        layout = target.layout
        self.cache = self._make_cache(layout.valid.shape[0], self.model.device)
        hidden = self.model.decode(target, self.memories, self.cache)
        length = layout.valid.sum(1)
        self.cache.truncate(length)
        self.cache.seal()
        self.next = layout.positions.expand(layout.valid.shape).gather(1, length[:, None] - 1)[:, 0] + 1
        self._example, self._prefix = layout.segments[:, 0], layout.prefix[:, 0]
        return hidden.last[torch.arange(length.shape[0], device=length.device), length - 1]

    @property
    def length(self) -> Int[Tensor, " b"]:
        """Committed entries of each row."""
        return self.cache.length

    @property
    def rows(self) -> int:
        """Sequences that are being written."""
        return self.length.shape[0]

    def forward(self, tree: TokenTree) -> Hidden:
        """Runs the nodes of a tree behind the committed entries; they stay open."""
        embeds = self.model.embed_tokens(tree.tokens) if tree.embeds is None else tree.embeds
        hidden: Hidden = self.model.backbone.decode(embeds, self._layout(tree), self.cache, self.memories)
        return hidden

    def _layout(self, tree: TokenTree) -> Layout:
        nodes = torch.arange(tree.tokens.shape[1], device=tree.tokens.device)[None]
        chain = tree.is_chain
        depths = nodes if chain else tree.depths()
        return Layout(
            positions=self.next[:, None] + depths,
            valid=tree.valid,
            index=self.length[:, None] + nodes,
            segments=self._example[:, None].expand(tree.tokens.shape),
            kinds=torch.zeros_like(tree.tokens),
            base=self.length,
            prefix=self._prefix[:, None].expand(tree.tokens.shape),
            seen=None if chain else tree.seen(),
        )

    def commit(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        """Keeps the first `count` of some open nodes, a path from the root on, and drops all others."""
        self.cache.keep(nodes, count)
        self.next = self.next + count

    def commit_all(self, tree: TokenTree) -> None:
        """Keeps a whole chain, which stands where it belongs already."""
        count = tree.valid.sum(1)
        self.cache.truncate(self.length + count)
        self.next = self.next + count

    def rollback(self, length: Int[Tensor, " b"]) -> None:
        """Forgets the entries from `length` on."""
        self.next = self.next - (self.length - length)
        self.cache.truncate(length)

    def fork(self, rows: Int[Tensor, " r"]) -> None:
        """Goes on with these rows: copies, reorders or drops. Memories are shared, never copied."""
        self.cache.fork(rows)
        self.memories = {name: memory.take(rows) for name, memory in self.memories.items()}
        self.next, self._example, self._prefix = self.next[rows], self._example[rows], self._prefix[rows]
