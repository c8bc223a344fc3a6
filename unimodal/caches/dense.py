"""Every key and value, kept as it is, in slots that grow by doubling."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.attention import Part
from unimodal.caches import Cache, KeysValues
from unimodal.layout import Layout


@final
class Dense(Cache):
    """Slots [b, capacity] a layer. Fresh slots are zero, so that a hidden one never makes 0 · NaN."""

    tolerance = 0.0

    def __init__(self, rows: int, device: torch.device, *, capacity: int = 64) -> None:
        self.length = torch.zeros(rows, dtype=torch.long, device=device)
        self._positions = torch.zeros(rows, capacity, dtype=torch.long, device=device)
        self._valid = torch.zeros(rows, capacity, dtype=torch.bool, device=device)
        self._slots: dict[int, KeysValues] = {}
        self._memories: dict[tuple[int, str], KeysValues] = {}
        self._view: tuple[Layout, Tensor, Tensor] | None = None
        self._noted: Layout | None = None
        self._tokens_read = 0

    def write(
        self, layer: int, keys: Float[Tensor, "b t g k"], values: Float[Tensor, "b t g k"], layout: Layout
    ) -> None:
        index = layout.index.expand(layout.valid.shape)
        self._note(layout, index)
        if layer not in self._slots:
            shape = (*self._positions.shape, *keys.shape[2:])
            self._slots[layer] = (keys.new_zeros(shape), values.new_zeros(shape))
        capacity = self._positions.shape[1]
        slots = tuple(_grown(slot, capacity) for slot in self._slots[layer])
        self._slots[layer] = (slots[0], slots[1])
        place = index[..., None, None].expand_as(keys)
        for slot, new in zip(slots, (keys, values), strict=True):
            slot.scatter_(1, place, new.to(slot.dtype))

    def _note(self, layout: Layout, index: Tensor) -> None:
        """What all layers of a pass share: positions, validity, room."""
        if self._noted is layout:
            return
        needed = int(index.max()) + 1
        if needed > self._positions.shape[1]:
            capacity = max(needed, 2 * self._positions.shape[1])
            self._positions = _grown(self._positions, capacity)
            self._valid = _grown(self._valid, capacity)
        self._positions.scatter_(1, index, layout.positions.expand_as(index))
        self._valid.scatter_(1, index, layout.valid)
        self._noted = layout

    def read(self, layer: int, q: Float[Tensor, "b t h k"], layout: Layout) -> list[Part]:
        positions, mask = self._visible(layout)
        longest = positions.shape[1]
        keys, values = self._slots[layer]
        self._tokens_read += keys.shape[0] * longest
        return [Part(keys[:, :longest], values[:, :longest], positions, mask)]

    def _visible(self, layout: Layout) -> tuple[Tensor, Tensor]:
        """(positions [b, s], mask [b, 1 or t, s]) of what was committed and of the open nodes that each entry sees."""
        if self._view is None or self._view[0] is not layout:
            longest = int(layout.index.max()) + 1
            if layout.seen is not None:
                longest = max(longest, int(layout.base.max()) + layout.seen.shape[2])
            slots = torch.arange(longest, device=layout.valid.device)[None, None]
            mask = self._valid[:, None, :longest]
            if layout.seen is None:
                # Open entries of an earlier, longer pass may still stand behind this one's.
                mask = mask & (slots <= layout.index.amax(1)[:, None, None])
            else:
                node = slots - layout.base[:, None, None]
                inside = (node >= 0) & (node < layout.seen.shape[2])
                seen = layout.seen.gather(
                    2, node.clamp(0, layout.seen.shape[2] - 1).expand(-1, layout.seen.shape[1], -1)
                )
                mask = mask & torch.where(node < 0, True, inside & seen)
            self._view = (layout, self._positions[:, :longest], mask)
        return self._view[1], self._view[2]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        if (layer, name) not in self._memories:
            self._memories[layer, name] = make()
        return self._memories[layer, name]

    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        steps = torch.arange(nodes.shape[1], device=nodes.device)[None]
        source = self.length[:, None] + nodes
        target = self.length[:, None] + steps
        taken = steps < count[:, None]
        source = torch.where(taken, source, target)  # a row that keeps fewer copies its own slots onto themselves
        place = (..., None, None)
        for slot in (slot for slots in self._slots.values() for slot in slots):
            rows = slot.gather(1, source[place].expand(-1, -1, *slot.shape[2:]))
            slot.scatter_(1, target[place].expand_as(rows), rows)
        self._positions.scatter_(1, target, self._positions.gather(1, source))
        self._valid.scatter_(1, target, self._valid.gather(1, source))
        self.truncate(self.length + count)

    def truncate(self, length: Int[Tensor, " b"]) -> None:
        self.length = length.clone()
        slots = torch.arange(self._valid.shape[1], device=length.device)[None]
        self._valid &= slots < length[:, None]
        self._view = self._noted = None

    def seal(self) -> None:
        pass

    def fork(self, rows: Int[Tensor, " r"]) -> None:
        self.length = self.length[rows]
        self._positions, self._valid = self._positions[rows], self._valid[rows]
        self._slots = {layer: (keys[rows], values[rows]) for layer, (keys, values) in self._slots.items()}
        self._view = self._noted = None  # memories stay: a Memory says itself which of its rows a batch row reads

    @property
    def nbytes(self) -> int:
        tensors = [self._positions, self._valid]
        for pair in (*self._slots.values(), *self._memories.values()):
            tensors.extend(pair)
        return sum(tensor.untyped_storage().nbytes() for tensor in tensors)

    @property
    def tokens_read(self) -> int:
        return self._tokens_read


def _grown(slot: Tensor, capacity: int) -> Tensor:
    """The slots with zeros behind them, up to `capacity`."""
    missing = capacity - slot.shape[1]
    return slot if missing <= 0 else torch.cat([slot, slot.new_zeros(slot.shape[0], missing, *slot.shape[2:])], 1)
