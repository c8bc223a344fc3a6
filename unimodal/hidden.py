"""What a pass leaves behind: all named intermediates of a stack, and what a decoder may read of it.

b rows, t entries, s entries of a memory, m memory rows, q some of these, r rows of one stack, d width, h heads
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.layout import Layout


@dataclass(frozen=True, eq=False)
class Hidden:
    """The named intermediates of one stack's pass: no hook is ever needed to read a feature."""

    embeds: Float[Tensor, "b t d"]
    """The stack's input, before its positions."""
    layers: tuple[Float[Tensor, "b t d"], ...]
    """The input of the first block, then every block's output; none where several stacks wrote the rows."""
    last: Float[Tensor, "b t d"]
    """After the final norm."""
    layout: Layout
    weights: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    """Attention weights [b, h, t, s] a block, under `self` or the memory's name, where they were asked for."""

    @property
    def before_norm(self) -> Float[Tensor, "b t d"]:
        """The last block's output, before the final norm."""
        return self.layers[-1]

    @classmethod
    def joined(
        cls, parts: Sequence[tuple[Int[Tensor, " r"], "Hidden"]], embeds: Float[Tensor, "b t d"], layout: Layout
    ) -> "Hidden":
        """What several stacks made of some rows each, of which weights are kept that all have; zeros in other rows."""

        def whole(pieces: Sequence[Tensor]) -> Tensor:
            filled = pieces[0].new_zeros(layout.valid.shape[0], *pieces[0].shape[1:])
            for (rows, _), piece in zip(parts, pieces, strict=True):
                filled = filled.index_copy(0, rows, piece)
            return filled

        if not parts:
            return cls(embeds, (), torch.zeros_like(embeds), layout)
        names = set.intersection(*(set(hidden.weights) for _, hidden in parts))
        weights = {name: zip(*(hidden.weights[name] for _, hidden in parts), strict=False) for name in sorted(names)}
        last = whole([hidden.last for _, hidden in parts])
        return cls(embeds, (), last, layout, {name: tuple(map(whole, blocks)) for name, blocks in weights.items()})


@final
@dataclass(frozen=True, eq=False)
class Memory:
    """Encoded entries that cross-attention reads, under a name; a decoder's row reads the row of the same number."""

    name: str
    hidden: Float[Tensor, "m s d"]
    layout: Layout

    @property
    def mask(self) -> Bool[Tensor, "m s"]:
        """Real entries."""
        return self.layout.valid

    def take(self, rows: Int[Tensor, " q"]) -> "Memory":
        """Some of its rows."""
        return Memory(self.name, self.hidden[rows], self.layout.take(rows))

    def view(self, layout: Layout) -> "MemoryView":
        """The memory as decoder entries read it: their own example's entries."""
        mask: Tensor | None = None
        examples: Tensor | None = None
        if not (self.layout.single and layout.single):  # else a decoder row reads its whole memory row
            examples = self.layout.segments
        elif not bool(self.mask.all()):
            mask = self.mask[:, None]
        askers = None if examples is None else layout.reads
        return MemoryView(self.name, self.hidden, self.layout.positions, mask, examples, askers)


@final
@dataclass(frozen=True, eq=False)
class MemoryView:
    """A memory in one pass, or in several of the same rows: nothing is left to find out of its tensors' values."""

    name: str
    hidden: Float[Tensor, "m s d"] | None
    """None where a cache holds all keys and values that are made of it."""
    positions: Int[Tensor, "#m s"]
    mask: Bool[Tensor, "m 1 s"] | None
    """Real entries; None: all are, or `examples` says so."""
    examples: Int[Tensor, "m s"] | None
    """The example of each entry, where rows hold several; None: one."""
    askers: Int[Tensor, "m t"] | None = None
    """The example that each decoder entry reads, where that is not its own."""

    def take(self, rows: Int[Tensor, " q"]) -> "MemoryView":
        """Some of its rows."""

        hidden, mask, examples, askers = (
            None if x is None else x[rows] for x in (self.hidden, self.mask, self.examples, self.askers)
        )
        positions = self.positions if self.positions.shape[0] == 1 else self.positions[rows]
        return MemoryView(self.name, hidden, positions, mask, examples, askers)
