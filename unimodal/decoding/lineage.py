"""Which slots of a cache's rows hold the entries of each sequence: all that beams and trees change.

Sequences that stem from one prompt share a row of slots. Every entry is written to a slot of its own, and each sequence
knows which slots it descends from; so to fork, to commit a path of a tree or to forget moves no keys and no values
(as in Kwon et al. 2023, 2309.06180, with blocks of one entry and one table of numbers).

b sequences, r rows, w sequences of a row, n entries of a pass, t those of a sequence, s slots, a accepted nodes
"""

from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout

ROUND = 32
"""Slots that are read are a multiple of this, so that shapes seldom change."""
_NONE = 2**62
"""In the place of an entry's number: the slot holds none of the sequence's entries."""


@final
class Lineage:
    """Entry numbers by sequence and slot, positions by slot, and the slots that are free.

    A slot is free when no sequence descends from it. The free ones below `window` are listed now and then, and taken in
    order; the window grows only when they are too few, so what dead beams and dropped nodes held is used again.
    """

    def __init__(self, rows: int, device: torch.device, *, capacity: int) -> None:
        self.window = 0
        """Slots that are in use lie below."""
        self.capacity = capacity
        """Slots of a row; grows where they do not suffice."""
        self.width = 1
        """Sequences of each row."""
        self._positions = torch.zeros(rows, capacity, dtype=torch.long, device=device)
        self._entries = torch.full((rows, capacity), _NONE, device=device)
        self._free = self._positions.new_empty(rows, 0)
        self._taken = 0

    @property
    def rows(self) -> int:
        return self._positions.shape[0]

    @property
    def positions(self) -> Int[Tensor, "r s"]:
        """Of the slots of the window."""
        return self._positions[:, : self.window]

    @property
    def nbytes(self) -> int:
        """Bytes of the tables."""
        return sum(table.untyped_storage().nbytes() for table in (self._positions, self._entries, self._free))

    def place(self, layout: Layout) -> Int[Tensor, "r n"]:
        """Slots for the entries of a pass, which take the place of their sequence's entries from the first one on."""
        shape = layout.valid.shape
        slots = self._take(self.width * shape[1])
        index, entries = layout.index.expand(shape), self._entries[:, : self.window]
        entries.masked_fill_(entries >= index[:, :1], _NONE)
        entries.scatter_(1, slots.reshape(shape), torch.where(layout.valid, index, _NONE))
        self._positions.scatter_(1, slots, layout.positions.expand(shape).reshape(slots.shape))
        return slots

    def visible(self, layout: Layout) -> Bool[Tensor, "r #n s"]:
        """What entries that were placed may see of the window: their own sequence, and in a tree what `seen` says."""
        entries = self._entries[:, None, : self.window]
        if layout.seen is None:
            mask = entries < _NONE
        else:
            nodes = layout.seen.shape[2]
            node = entries - layout.base[:, None, None]
            seen = layout.seen.gather(2, node.clamp(0, nodes - 1).expand(-1, layout.seen.shape[1], -1))
            mask = (node < 0) | ((node < nodes) & seen)
        if self.width == 1:
            return mask
        return mask.expand(-1, layout.valid.shape[1], -1).reshape(self.rows, -1, self.window)

    def keep(self, length: Int[Tensor, " b"], nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        """Numbers the first `count` open nodes as the entries from `length` on, in their order; drops the others."""
        order = torch.arange(nodes.shape[1], device=nodes.device)[None]
        is_kept = order < count[:, None]
        nowhere = self.window  # stands for nodes that are not kept, and for slots that hold none
        numbers = nodes.new_full((nodes.shape[0], nowhere + 1), _NONE)
        numbers.scatter_(1, torch.where(is_kept, nodes, nowhere), torch.where(is_kept, length[:, None] + order, _NONE))
        entries = self._entries[:, : self.window]
        node = entries - length[:, None]
        entries.copy_(torch.where(node < 0, entries, numbers.gather(1, node.clamp(0, nowhere))))

    def fork(self, sequences: Int[Tensor, " c"]) -> None:
        """Goes on with these sequences, equally many of each row and the rows in their order."""
        self._entries = self._entries[sequences]
        self.width = self._entries.shape[0] // self.rows

    def select(self, rows: Int[Tensor, " q"]) -> None:
        """Goes on with these rows and all their sequences."""
        self._entries = self._entries.unflatten(0, (-1, self.width))[rows].flatten(0, 1)
        self._positions, self._free = self._positions[rows], self._free[rows]

    def reserve(self, capacity: int) -> None:
        """Makes room for so many slots a row."""
        more = capacity - self.capacity
        if more > 0:
            self._positions = torch.nn.functional.pad(self._positions, (0, more))
            self._entries = torch.nn.functional.pad(self._entries, (0, more), value=_NONE)
            self.capacity = capacity

    def _take(self, count: int) -> Int[Tensor, "r n"]:
        if self._taken + count > self._free.shape[1]:
            self._list_free(count)
        self._taken += count
        return self._free[:, self._taken - count : self._taken]

    def _list_free(self, count: int) -> None:
        """Lists free slots, as many in every row, after growing the window where it has less than `count` or few."""
        used = self._used()
        most = int(used.sum(1).max()) if self.window else 0
        wanted = most + max(count, ROUND // 2)
        if self.window < wanted:
            self.window = -(-wanted // ROUND) * ROUND
            if self.window > self.capacity:
                self.reserve(max(self.window, 2 * self.capacity))
            used = self._used()
        self._free = used.byte().argsort(dim=1, stable=True)[:, : self.window - most]
        self._taken = 0

    def _used(self) -> Bool[Tensor, "r s"]:
        used: Tensor = (self._entries[:, : self.window] < _NONE).unflatten(0, (-1, self.width)).any(1)
        return used
