"""Learned keys and values before what an attention sees: the layers of `unimodal.adapters.prefix`.

n rows of the prefix, w key-value heads times their width, b rows, t entries, d width
"""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.attention import Part, Pattern
from unimodal.caches import Cache, KeysValues, LayerCache
from unimodal.hidden import Memory
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
        memory: Memory | None = None,
    ) -> Float[Tensor, "b t d"]:
        view = LayerCache(_WithPrefix(cache.cache, self.keys, self.values), cache.layer)
        out: Tensor = self.base_layer(x, layout, pattern, view, memory)
        return out


@final
class _WithPrefix(Cache):
    """A cache that gives queries a prefix too, behind what it holds."""

    tolerance = 0.0

    def __init__(self, cache: Cache, keys: Float[Tensor, "n w"], values: Float[Tensor, "n w"]) -> None:
        self.cache, self.keys, self.values = cache, keys, values
        self.length = cache.length

    def write(
        self, layer: int, keys: Float[Tensor, "b t g k"], values: Float[Tensor, "b t g k"], layout: Layout
    ) -> None:
        self.head_dim = keys.shape[-1]
        self.cache.write(layer, keys, values, layout)

    def read(self, layer: int, q: Float[Tensor, "b t h k"], layout: Layout) -> list[Part]:
        keys, values = (
            rows.unflatten(-1, (-1, self.head_dim)).expand(q.shape[0], -1, -1, -1) for rows in (self.keys, self.values)
        )
        return [*self.cache.read(layer, q, layout), Part(keys, values, positions=None, mask=None)]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return self.cache.memory(layer, name, make)

    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        self.cache.keep(nodes, count)

    def truncate(self, length: Int[Tensor, " b"]) -> None:
        self.cache.truncate(length)

    def seal(self) -> None:
        self.cache.seal()

    def fork(self, rows: Int[Tensor, " r"]) -> None:
        self.cache.fork(rows)

    @property
    def nbytes(self) -> int:
        return self.cache.nbytes

    @property
    def tokens_read(self) -> int:
        return self.cache.tokens_read
