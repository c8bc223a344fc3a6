"""Learned keys and values before what an attention sees: the layers of `unimodal.adapters.prefix`.

p rows of the prefix, w key-value heads times their width, b and r rows of a pass, t and n its entries, d width
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimodal.attention import Part, Pattern
from unimodal.caches import KeysValues, LayerCache, Opening
from unimodal.hidden import MemoryView
from unimodal.layout import Layout
from unimodal.mixers import Mixer


@final
class Prefixed(Mixer):
    """A mixer that also sees `num_rows` learned rows; they stand nowhere, so every entry sees them alike.

    Keys begin near zero, values as zero: rows that take a little of an entry's attention and say nothing.
    """

    def __init__(self, base_layer: Mixer, *, num_rows: int, width: int) -> None:
        super().__init__()
        self.base_layer = base_layer
        weight = next(base_layer.parameters())
        self.keys = nn.Parameter(torch.empty(num_rows, width, dtype=weight.dtype, device=weight.device))
        self.values = nn.Parameter(torch.zeros_like(self.keys))
        nn.init.normal_(self.keys, std=0.02)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        layout: Layout,
        pattern: Pattern,
        cache: LayerCache,
        memory: MemoryView | None = None,
    ) -> Float[Tensor, "b t d"]:
        view = LayerCache(_WithPrefix(layout, cache.opening, self.keys, self.values), cache.layer)
        out: Tensor = self.base_layer(x, layout, pattern, view, memory)
        return out


@final
@dataclass(frozen=True, eq=False)
class _WithPrefix(Opening):
    """An opened cache that gives queries a prefix too, behind what it holds."""

    layout: Layout
    opening: Opening
    keys: Float[Tensor, "p w"]
    values: Float[Tensor, "p w"]

    def write(
        self, layer: int, keys: Float[Tensor, "r n g k"], values: Float[Tensor, "r n g k"], layout: Layout
    ) -> None:
        self.opening.write(layer, keys, values, layout)

    def read(self, layer: int, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        keys, values = (
            rows.unflatten(-1, (-1, q.shape[-1])).expand(q.shape[0], -1, -1, -1) for rows in (self.keys, self.values)
        )
        return [*self.opening.read(layer, q, layout), Part(keys, values, positions=None, mask=None)]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return self.opening.memory(layer, name, make)
