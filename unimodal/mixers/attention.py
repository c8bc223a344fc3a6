"""Multi-head and grouped attention, over the own sequence or over a memory (Vaswani et al. 2017, 1706.03762)."""

from collections.abc import Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.attention import Part, Pattern, attention
from unimodal.caches import LayerCache
from unimodal.hidden import MemoryView
from unimodal.layout import Layout
from unimodal.mixers import Mixer


class Projected(Mixer):
    """The four projections that both attentions share; abstract.

    `groups` key-value heads serve `heads` query heads (Ainslie et al. 2023, 2305.13245). `scale` multiplies the
    queries; None is 1/sqrt(head_dim), T5 takes 1. `memory_dim` is the width of what keys and values are made
    from; None: `dim`. `biases` names the projections that have one.
    """

    def __init__(
        self,
        dim: int,
        *,
        heads: int,
        groups: int | None = None,
        head_dim: int | None = None,
        scale: float | None = None,
        biases: Sequence[str] = ("query", "key", "value", "out"),
        dropout: float = 0.0,
        memory_dim: int | None = None,
    ) -> None:
        super().__init__()
        groups = groups or heads
        if head_dim is None and dim % heads:
            raise ValueError(f"heads: a width of {dim} does not divide into {heads} heads; give head_dim")
        if heads % groups:
            raise ValueError(f"groups: {heads} heads do not divide into {groups} groups")
        self.head_dim = head_dim or dim // heads
        self.scale = self.head_dim**-0.5 if scale is None else scale
        self.dropout = dropout
        for name in set(biases) - {"query", "key", "value", "out"}:
            raise ValueError(f"biases: '{name}' is none of query, key, value, out")
        self.query = nn.Linear(dim, heads * self.head_dim, bias="query" in biases)
        self.key = nn.Linear(memory_dim or dim, groups * self.head_dim, bias="key" in biases)
        self.value = nn.Linear(memory_dim or dim, groups * self.head_dim, bias="value" in biases)
        self.out = nn.Linear(heads * self.head_dim, dim, bias="out" in biases)

    def queries(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t h k"]:
        """Queries by head, scaled."""
        q: Tensor = self.query(x).unflatten(-1, (-1, self.head_dim))
        return q if self.scale == 1 else q * self.scale

    def keys_values(self, x: Float[Tensor, "b s d"]) -> tuple[Float[Tensor, "b s g k"], Float[Tensor, "b s g k"]]:
        """Keys and values by head."""
        return self.key(x).unflatten(-1, (-1, self.head_dim)), self.value(x).unflatten(-1, (-1, self.head_dim))

    def attended(self, q: Float[Tensor, "b t h k"], parts: list[Part], pattern: Pattern) -> Float[Tensor, "b t d"]:
        """The attention's answer, back in the stream's width."""
        mixed = attention(q, parts, pattern, dropout=self.dropout if self.training else 0.0)
        out: Tensor = self.out(mixed.flatten(-2))
        return out


@final
class SelfAttention(Projected):
    """Attention over the own sequence, through the cache."""

    same_input = (("query", "key", "value"),)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        layout: Layout,
        pattern: Pattern,
        cache: LayerCache,
        memory: MemoryView | None = None,
    ) -> Float[Tensor, "b t d"]:
        q = pattern.rotate(self.queries(x), layout.positions)
        keys, values = self.keys_values(x)
        cache.write(pattern.rotate(keys, layout.positions), values, layout)
        return self.attended(q, cache.read(q, layout), pattern)


@final
class CrossAttention(Projected):
    """Attention over a memory; its keys and values are computed once for a source, whatever the steps and beams."""

    same_input = (("key", "value"),)

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        layout: Layout,
        pattern: Pattern,
        cache: LayerCache,
        memory: MemoryView | None = None,
    ) -> Float[Tensor, "b t d"]:
        assert memory is not None, "a cross-attention stands where no memory is named"
        keys, values = cache.memory(memory.name, lambda: self._keys_values_of(memory))
        part = Part(keys, values, memory.positions, memory.mask, examples=memory.examples, askers=memory.askers)
        return self.attended(self.queries(x), [part], pattern)

    def _keys_values_of(self, memory: MemoryView) -> tuple[Tensor, Tensor]:
        assert memory.hidden is not None, "a layer that did not run over the prompt reads a memory"
        return self.keys_values(memory.hidden)
