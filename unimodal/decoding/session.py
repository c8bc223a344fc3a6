"""A session: a model and a cache, advancing a batch of sequences one tree at a time.

b sequences, c sequences of the cache, r rows of the cache, n nodes of a tree, t entries of a prompt, a accepted nodes,
d width, v vocabulary
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import Sequences
from unimodal.caches import Cache
from unimodal.decoding.grid import Grid
from unimodal.decoding.programs import DecoderPass, Runner, Scoring, run_eagerly
from unimodal.decoding.tree import TokenTree
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.outputs import only_writer

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

MakeCache = Callable[..., Cache]
"""Called with the number of rows, the device, and `capacity`: entries that the longest sequence is expected to have."""


@final
class Session:
    """The state of one generation: the model, its cache, and how far each row has come.

    Rows may differ in length. What `forward` runs stays open until `commit` keeps some of it; running the same tree
    again overwrites it. `limit`: how many entries are expected behind the prompt.
    """

    def __init__(
        self,
        model: "UnimodalForConditionalGeneration",
        make_cache: MakeCache,
        *,
        limit: int = 0,
        run: Runner = run_eagerly,
    ) -> None:
        self.model = model
        self._make_cache = make_cache
        self._limit = limit
        self._run = run

    def prefill(self, memories: Mapping[str, Memory], target: Sequences) -> Float[Tensor, "b d"]:
        """Reads each row's prompt beside the memories; the hidden state of each row's last entry."""
        self.memories = dict(memories)
        """Of the prompts, also when rows have forked since."""
        target = target.to(self.model.device)
        layout = target.layout
        rows, longest = layout.valid.shape
        self.cache = self._make_cache(rows, self.model.device, capacity=longest + self._limit)
        self._net = only_writer(self.model, layout)
        hidden = self.model.decode(target, self.memories, self.cache)
        length = layout.valid.sum(1)
        self.cache.truncate(length)
        self.cache.seal()
        last = layout.positions.expand(layout.valid.shape).gather(1, length[:, None] - 1)[:, 0]
        self._prompts = _Prompts(layout.segments[:, 0], layout.prefix[:, 0], last + 1 - length)
        self._views = {name: replace(memory.view(layout), hidden=None) for name, memory in memories.items()}
        self._grid = Grid(range(rows), width=1, device=length.device)
        self._layouts: dict[int, Layout] = {}
        return hidden.last[torch.arange(rows, device=length.device), length - 1]

    @property
    def rows(self) -> int:
        """Sequences that are being written."""
        return self._grid.num_sequences

    @property
    def length(self) -> Int[Tensor, " b"]:
        """Committed entries of each row."""
        return self._grid.take_out(self.cache.length)

    def forward(self, tree: TokenTree) -> Float[Tensor, "b n d"]:
        """The hidden states of a tree's nodes, run behind the committed entries; they stay open."""
        tree = tree.map(self._grid.put_in)
        layout = self._layout(tree)
        self._check_length(layout)
        opening = self.cache.open(layout)
        entries = tree.tokens if tree.embeds is None else tree.embeds
        folded = entries.reshape(*opening.layout.valid.shape, *entries.shape[2:])
        last = self._run(DecoderPass(self.model, folded, opening, self._views, self._net))
        return self._grid.take_out(last.view(*tree.tokens.shape, -1))

    def score(self, hidden: Float[Tensor, "b d"]) -> Float[Tensor, "b v"]:
        """Scores over the token space."""
        return self._run(Scoring(self.model, hidden))

    def _layout(self, tree: TokenTree) -> Layout:
        """Where the nodes of the cache's sequences stand; what does not change from step to step is kept."""
        nodes, length = tree.tokens.shape[1], self.cache.length
        if nodes not in self._layouts:
            self._layouts[nodes] = self._prompts.layout(self._grid.width, nodes)
        first = self._layouts[nodes]
        depths = first.positions if tree.parent is None else first.positions - first.index + tree.depths()
        return replace(
            first,
            positions=length[:, None] + depths,
            valid=tree.valid,
            index=length[:, None] + first.index,
            base=length,
            seen=None if tree.parent is None else tree.seen(),
        )

    def _check_length(self, layout: Layout) -> None:
        self.model.backbone.writer(self._net).check_length(layout.positions)

    def commit(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        """Keeps the first `count` of some open nodes, a path from the root on, and drops all others."""
        self.cache.keep(self._grid.put_in(nodes), self._grid.put_in(count))

    def commit_all(self, tree: TokenTree) -> None:
        """Keeps a whole chain, which stands where it belongs already."""
        self.cache.truncate(self.cache.length + self._grid.put_in(tree.valid).sum(1))

    def rollback(self, length: Int[Tensor, " b"]) -> None:
        """Forgets the entries from `length` on."""
        self.cache.truncate(self._grid.put_in(length))

    def fork(self, rows: Int[Tensor, " r"]) -> None:
        """Goes on with these rows: copies, reorders or drops. What a source or a prompt's sequences share stays one."""
        before = self._grid
        self._grid, prompts, sequences = before.fork(rows.tolist())
        device = rows.device
        if prompts != list(range(before.num_rows)):
            kept = torch.tensor(prompts, dtype=torch.long, device=device)
            self.cache.select(kept)
            self._prompts = self._prompts.take(kept)
            self._views = {name: view.take(kept) for name, view in self._views.items()}
            self._layouts = {}
        if self._grid.width != before.width:
            self._layouts = {}
        if sequences != list(range(len(prompts) * before.width)):
            self.cache.fork(torch.tensor(sequences, device=device))


@final
@dataclass(frozen=True, eq=False)
class _Prompts:
    """What is known of each row of the cache, whatever was written behind its prompt."""

    example: Int[Tensor, " r"]
    prefix: Int[Tensor, " r"]
    offset: Int[Tensor, " r"]
    """Positions that are passed over: of an entry, less its number."""

    def take(self, rows: Int[Tensor, " q"]) -> "_Prompts":
        return _Prompts(self.example[rows], self.prefix[rows], self.offset[rows])

    def layout(self, width: int, nodes: int) -> Layout:
        """Of a chain behind nothing, for each of `width` sequences a row."""
        example, prefix, offset = (
            value.repeat_interleave(width)[:, None].expand(-1, nodes)
            for value in (self.example, self.prefix, self.offset)
        )
        steps = torch.arange(nodes, device=offset.device)[None]
        zeros = torch.zeros_like(offset)
        return Layout(
            positions=offset + steps,
            valid=zeros == 0,
            index=steps,
            segments=example,
            kinds=zeros,
            base=zeros[:, 0],
            prefix=prefix,
        )
