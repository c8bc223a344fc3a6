"""Caches: where keys and values of past entries lie, and what a query is given of them.

b rows, t entries of a pass, s entries kept, g key-value heads, k width of a head, a accepted nodes
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.attention import Part
from unimodal.layout import Layout

KeysValues = tuple[Tensor, Tensor]


class Cache(ABC):
    """The keys and values of one batch, all layers.

    Laws: decoding with it equals the full pass within the tolerance that the class declares; `keep` then `write` equals
    never having written the dropped entries; `fork` is what the forked rows alone would hold; `nbytes` is true.
    """

    tolerance: float
    """How far a cached pass may lie from the full one, relative to it; 0 means rounding only."""
    length: Int[Tensor, " b"]
    """Committed entries of each row."""

    @abstractmethod
    def write(
        self, layer: int, keys: Float[Tensor, "b t g k"], values: Float[Tensor, "b t g k"], layout: Layout
    ) -> None:
        """Puts a pass's keys and values at `layout.index`, over what stands there."""

    @abstractmethod
    def read(self, layer: int, q: Float[Tensor, "b t h k"], layout: Layout) -> list[Part]:
        """What queries of this layout may attend to; may be empty."""

    @abstractmethod
    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        """The keys and values of a cross-attention: made at its first call, kept for the others."""

    @abstractmethod
    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        """Commits the first `count` of `nodes` (numbered from `length` on), in their order, and drops the rest."""

    @abstractmethod
    def truncate(self, length: Int[Tensor, " b"]) -> None:
        """Forgets all entries from `length` on."""

    @abstractmethod
    def seal(self) -> None:
        """Called once when the prompt is whole: the moment to compress."""

    @abstractmethod
    def fork(self, rows: Int[Tensor, " r"]) -> None:
        """Becomes the cache of these rows: copies, reorders or drops."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes held, memories included."""

    @property
    @abstractmethod
    def tokens_read(self) -> int:
        """Keys given to queries so far, counted over rows and layers."""


@dataclass(frozen=True, eq=False)
class LayerCache:
    """One layer's view of a cache: all that a mixer sees of it."""

    cache: Cache
    layer: int

    def write(self, keys: Float[Tensor, "b t g k"], values: Float[Tensor, "b t g k"], layout: Layout) -> None:
        self.cache.write(self.layer, keys, values, layout)

    def read(self, q: Float[Tensor, "b t h k"], layout: Layout) -> list[Part]:
        return self.cache.read(self.layer, q, layout)

    def memory(self, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return self.cache.memory(self.layer, name, make)
