"""Every key and value, kept as it is, in slots that are allocated once.

r rows, n entries of a pass in each row, s slots, g key-value heads, k width of a head
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.attention import Part
from unimodal.caches import Cache, KeysValues, Opening
from unimodal.decoding.lineage import ROUND, Lineage
from unimodal.layout import Layout


@final
class Dense(Cache):
    """Slots [r, capacity, g, k] a layer, shared by the sequences of a row (see `Lineage`).

    `capacity` is how many entries the longest sequence will have, where that is known: then no slot is ever moved while
    the rows stay the same. Room that is not used yet is not touched either: pages of memory come when they are written.
    """

    tolerance = 0.0

    def __init__(self, rows: int, device: torch.device, *, capacity: int = ROUND) -> None:
        self.length = torch.zeros(rows, dtype=torch.long, device=device)
        self._longest = -(-capacity // ROUND) * ROUND
        self._lineage = Lineage(rows, device, capacity=self._longest)
        self._slots: dict[str, KeysValues] = {}
        self._memories: dict[str, KeysValues] = {}
        self._entries_read = 0

    def open(self, layout: Layout) -> Opening:
        lineage, before = self._lineage, self._lineage.window
        slots = lineage.place(layout)
        if lineage.window > before:
            self._widen(before)
        self._entries_read += lineage.rows * lineage.window
        return DenseOpening(
            layout=_fold(layout, slots),
            rows=torch.arange(lineage.rows, device=slots.device)[:, None],
            positions=lineage.positions,
            mask=lineage.visible(layout),
            slots=self._slots,
            memories=self._memories,
            capacity=lineage.capacity,
        )

    def _widen(self, before: int) -> None:
        """Zeroes the slots that the window has grown by: what was never written must not make 0 · NaN."""
        window = self._lineage.window
        for layer, pair in self._slots.items():
            keys, values = (self._fitting(slots, before) for slots in pair)
            self._slots[layer] = keys, values
            keys[:, before:window] = values[:, before:window] = 0

    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        self._lineage.keep(self.length, nodes, count)
        self.length = self.length + count

    def truncate(self, length: Int[Tensor, " b"]) -> None:
        self.length = length.clone()  # the next pass drops what lies behind it

    def seal(self) -> None:
        pass

    def fork(self, sequences: Int[Tensor, " c"]) -> None:
        before = self._lineage.width
        self.length = self.length[sequences]
        self._lineage.fork(sequences)
        if self._lineage.width > before:
            self._lineage.reserve(self._lineage.width * self._longest)
            for layer, (keys, values) in self._slots.items():
                window = self._lineage.window
                self._slots[layer] = self._fitting(keys, window), self._fitting(values, window)

    def select(self, rows: Int[Tensor, " q"]) -> None:
        self.length = self.length.unflatten(0, (-1, self._lineage.width))[rows].flatten()
        self._lineage.select(rows)
        filled, capacity = self._lineage.window, self._lineage.capacity
        for layer, (keys, values) in self._slots.items():
            self._slots[layer] = _moved(keys, rows, filled, capacity), _moved(values, rows, filled, capacity)
        for name, (keys, values) in self._memories.items():
            self._memories[name] = _moved(keys, rows), _moved(values, rows)

    def _fitting(self, slots: Tensor, filled: int) -> Tensor:
        """Slots in as much room as the lineage has, the first `filled` of each row with what they held."""
        capacity = self._lineage.capacity
        return slots if slots.shape[1] == capacity else _moved(slots, slice(None), filled, capacity)

    @property
    def nbytes(self) -> int:
        pairs = [*self._slots.values(), *self._memories.values()]
        return self._lineage.nbytes + sum(tensor.untyped_storage().nbytes() for pair in pairs for tensor in pair)

    @property
    def tokens_read(self) -> int:
        return self._entries_read * len(self._slots)


@final
@dataclass(frozen=True, eq=False)
class DenseOpening(Opening):
    """The slots of all layers, and of those of the window what this pass may see."""

    layout: Layout
    """`index`: the slot that an entry is written to."""
    rows: Int[Tensor, "r 1"]
    """Their numbers."""
    positions: Int[Tensor, "r s"]
    mask: Bool[Tensor, "r #n s"]
    slots: dict[str, KeysValues]
    memories: dict[str, KeysValues]
    capacity: int

    def write(
        self, layer: int, keys: Float[Tensor, "r n g k"], values: Float[Tensor, "r n g k"], layout: Layout
    ) -> None:
        if str(layer) not in self.slots:
            self.slots[str(layer)] = self._allocated(keys), self._allocated(values)
        for slots, new in zip(self.slots[str(layer)], (keys, values), strict=True):
            slots.index_put_((self.rows, layout.index), new.to(slots.dtype))

    def _allocated(self, like: Tensor) -> Tensor:
        slots = _room(like, like.shape[0], self.capacity)
        slots[:, : self.mask.shape[2]] = 0
        return slots

    def read(self, layer: int, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        keys, values = (slots[:, : self.mask.shape[2]] for slots in self.slots[str(layer)])
        return [Part(keys, values, self.positions, self.mask)]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        if f"{name}.{layer}" not in self.memories:
            keys, values = make()
            self.memories[f"{name}.{layer}"] = _moved(keys, slice(None)), _moved(values, slice(None))
        return self.memories[f"{name}.{layer}"]


def _fold(layout: Layout, index: Int[Tensor, "r n"]) -> Layout:
    """A layout of sequences as one of rows, the sequences of a row one after the other."""
    shape = layout.valid.shape

    def rows(value: Tensor) -> Tensor:
        return value.expand(shape).reshape(index.shape)

    if shape == index.shape:
        return replace(layout, index=index, seen=None)
    return Layout(
        positions=rows(layout.positions),
        valid=rows(layout.valid),
        index=index,
        segments=rows(layout.segments),
        kinds=rows(layout.kinds),
        base=layout.base.view(index.shape[0], -1)[:, 0],
        prefix=rows(layout.prefix),
    )


def _room(like: Tensor, rows: int, slots: int) -> Tensor:
    """[rows, slots, g, k], where a head's slots lie side by side in memory: attention reads them a fifth faster."""
    _, _, heads, width = like.shape
    return like.new_empty(rows, heads, slots, width).transpose(1, 2)


def _moved(held: Tensor, rows: Tensor | slice, filled: int | None = None, slots: int | None = None) -> Tensor:
    """Some rows in new room of `slots`, the first `filled` of each with what they held; None: all."""
    chosen = held[rows, :filled]
    moved = _room(held, chosen.shape[0], held.shape[1] if slots is None else slots)
    moved[:, : chosen.shape[1]] = chosen
    return moved
