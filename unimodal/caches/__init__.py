"""Caches: where keys and values of past entries lie, and what a query is given of them.

b sequences, t entries of a pass, r rows of a cache, n entries of a pass in each row, s slots of a row, g key-value
heads, k width of a head, a accepted nodes
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.attention import Part
from unimodal.layout import Layout

KeysValues = tuple[Tensor, Tensor]


class Opening(ABC):
    """A cache as the blocks of one pass see it.

    Whatever depends on the values of tensors was settled when the cache was opened. Laws: its methods are tensor
    operations and nothing else, so that a pass can be recorded; it is a dataclass of tensors, constants, and
    dictionaries, tuples and dataclasses of these (see `Program`).
    """

    layout: Layout
    """Of the pass, with a row for each row of the cache: what the blocks run with."""

    @abstractmethod
    def write(
        self, layer: int, keys: Float[Tensor, "r n g k"], values: Float[Tensor, "r n g k"], layout: Layout
    ) -> None:
        """Keeps the keys and values of entries, where `layout.index` says."""

    @abstractmethod
    def read(self, layer: int, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        """What these queries may attend to; may be empty."""

    @abstractmethod
    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        """The keys and values of a cross-attention: made at its first call, kept for the others."""


class Cache(ABC):
    """The keys and values of one batch, all layers.

    Sequences that stem from one prompt may share a row: they lie side by side, as many in every row.

    Laws: decoding with it equals the full pass within the tolerance that the class declares; `keep` then `write` equals
    never having written the dropped entries; `fork` is what the forked sequences alone would hold; `nbytes` is true.
    """

    tolerance: float
    """How far a cached pass may lie from the full one, relative to it; 0 means rounding only."""
    length: Int[Tensor, " b"]
    """Committed entries of each sequence."""

    @abstractmethod
    def open(self, layout: Layout) -> Opening:
        """Makes room for a pass whose `layout` has a row for each sequence; its entries stay open until they are kept.

        They take the place of open entries from their first one on.
        """

    @abstractmethod
    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        """Commits the first `count` of `nodes` (numbered from `length` on), in their order, and drops the rest."""

    @abstractmethod
    def truncate(self, length: Int[Tensor, " b"]) -> None:
        """Commits what is open below `length` and forgets all entries from there on."""

    @abstractmethod
    def seal(self) -> None:
        """Called once when the prompt is whole: the moment to compress."""

    @abstractmethod
    def fork(self, sequences: Int[Tensor, " c"]) -> None:
        """Becomes the cache of these sequences, equally many of each row, the rows in their order; copies nothing."""

    @abstractmethod
    def select(self, rows: Int[Tensor, " q"]) -> None:
        """Goes on with these rows and all their sequences, memories included: copies, reorders or drops."""

    @property
    @abstractmethod
    def nbytes(self) -> int:
        """Bytes held, memories included."""

    @property
    @abstractmethod
    def tokens_read(self) -> int:
        """Keys given to queries so far, counted over rows and layers; those that a row's sequences share, once."""


@dataclass(frozen=True, eq=False)
class LayerCache:
    """One layer's view of an opened cache: all that a mixer sees of it."""

    opening: Opening
    layer: int

    def write(self, keys: Float[Tensor, "r n g k"], values: Float[Tensor, "r n g k"], layout: Layout) -> None:
        self.opening.write(self.layer, keys, values, layout)

    def read(self, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        return self.opening.read(self.layer, q, layout)

    def memory(self, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return self.opening.memory(self.layer, name, make)
