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
from unimodal.layout import Layout
from unimodal.lineage import ROUND, Lineage


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
        begins = torch.arange(0, lineage.rows * lineage.capacity, lineage.capacity, device=slots.device)
        return DenseOpening(
            layout=_fold(layout, slots + begins[:, None]),
            positions=lineage.positions,
            mask=lineage.visible(layout),
            slots=self._slots,
            memories=self._memories,
            capacity=lineage.capacity,
        )

    def _widen(self, before: int) -> None:
        """Zeroes the slots that the window has grown by: what was never written must not make 0 · NaN."""
        window, capacity = self._lineage.window, self._lineage.capacity
        for layer, pair in self._slots.items():
            keys, values = (_moved(slots, slice(None), before, capacity) for slots in pair)
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
            self._move(slice(None))

    def select(self, rows: Int[Tensor, " q"]) -> None:
        self.length = self.length.unflatten(0, (-1, self._lineage.width))[rows].flatten()
        self._lineage.select(rows)
        self._move(rows)
        self._memories = {name: (keys[rows], values[rows]) for name, (keys, values) in self._memories.items()}

    def _move(self, rows: Tensor | slice) -> None:
        window, capacity = self._lineage.window, self._lineage.capacity
        for layer, (keys, values) in self._slots.items():
            self._slots[layer] = _moved(keys, rows, window, capacity), _moved(values, rows, window, capacity)

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
    """`index`: which of all rows' slots an entry is written to."""
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
        index = layout.index.flatten()
        for slots, new in zip(self.slots[str(layer)], (keys, values), strict=True):
            slots.flatten(0, 1).index_copy_(0, index, new.flatten(0, 1).to(slots.dtype))

    def _allocated(self, like: Tensor) -> Tensor:
        slots = like.new_empty(like.shape[0], self.capacity, *like.shape[2:])
        slots[:, : self.mask.shape[2]] = 0
        return slots

    def read(self, layer: int, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        keys, values = (slots[:, : self.mask.shape[2]] for slots in self.slots[str(layer)])
        return [Part(keys, values, self.positions, self.mask)]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        if f"{name}.{layer}" not in self.memories:
            self.memories[f"{name}.{layer}"] = make()
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


def _moved(slots: Tensor, rows: Tensor | slice, filled: int, capacity: int) -> Tensor:
    """Some rows of slots in new room, the first `filled` slots of each; in their own where nothing changes."""
    if isinstance(rows, slice) and slots.shape[1] == capacity:
        return slots
    chosen = slots[rows, :filled]
    moved = slots.new_empty(chosen.shape[0], capacity, *slots.shape[2:])
    moved[:, :filled] = chosen
    return moved
