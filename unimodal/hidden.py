"""What a pass leaves behind: all named intermediates of a stack, and what a decoder may read of it.

b rows, t entries, s entries of a memory, m memory rows, d width, h heads
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.layout import Layout


@dataclass(frozen=True, eq=False)
class Hidden:
    """The named intermediates of one stack's pass: no hook is ever needed to read a feature."""

    embeds: Float[Tensor, "b t d"]
    """The stack's input, before its positions."""
    layers: tuple[Float[Tensor, "b t d"], ...]
    """The input of the first block, then every block's output."""
    last: Float[Tensor, "b t d"]
    """After the final norm."""
    layout: Layout
    weights: Mapping[str, tuple[Tensor, ...]] = field(default_factory=dict)
    """Attention weights [b, h, t, s] a block, under `self` or the memory's name, where they were asked for."""

    @property
    def before_norm(self) -> Float[Tensor, "b t d"]:
        """The last block's output, before the final norm."""
        return self.layers[-1]


@final
class Memory:
    """Encoded entries that cross-attention reads, under a name. Rows of a decoder may share one of its rows."""

    def __init__(
        self, name: str, hidden: Float[Tensor, "m s d"], layout: Layout, *, row_of: Int[Tensor, " b"] | None = None
    ) -> None:
        self.name = name
        self.hidden = hidden
        self.layout = layout
        self.row_of = row_of
        """The memory row that each decoder row reads; None: its own."""
        positions = layout.positions
        self.positions: Tensor = positions if row_of is None or positions.shape[0] == 1 else positions[row_of]
        """Of the entries that each decoder row reads."""
        self._view: tuple[Layout, Tensor | None] | None = None

    @property
    def mask(self) -> Bool[Tensor, "m s"]:
        """Real entries."""
        return self.layout.valid

    def take(self, rows: Int[Tensor, " b"]) -> "Memory":
        """The memory as these decoder rows read it; nothing is copied."""
        return Memory(self.name, self.hidden, self.layout, row_of=rows if self.row_of is None else self.row_of[rows])

    def visible(self, layout: Layout) -> Bool[Tensor, "b #t s"] | None:
        """What decoder entries may read: their own example's entries; once a pass. None: everything."""
        if self._view is None or self._view[0] is not layout:
            self._view = (layout, self._visible(layout))
        return self._view[1]

    def _visible(self, layout: Layout) -> Tensor | None:
        single = self.layout.single and layout.single  # then a decoder row reads its whole memory row
        if single and bool(self.mask.all()):
            return None
        segments, mask = self.layout.segments, self.mask
        if self.row_of is not None:
            segments, mask = segments[self.row_of], mask[self.row_of]
        if single:
            return mask[:, None]
        return (segments[:, None, :] == layout.segments[:, :, None]) & mask[:, None]
