"""No cache: a pass sees its own entries and nothing is kept (training, encoders)."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.attention import Part
from unimodal.caches import Cache, KeysValues, Opening
from unimodal.layout import Layout


@final
class Once(Cache):
    """Gives back what was written in the same pass; gradients flow, and a block that is run again writes again."""

    tolerance = 0.0

    def __init__(self, rows: int, device: torch.device) -> None:
        self.length = torch.zeros(rows, dtype=torch.long, device=device)
        self._reads: list[int] = []

    def open(self, layout: Layout) -> Opening:
        return OnceOpening(layout, *_visible(layout), self._reads)

    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        raise AssertionError("nothing is kept between passes")

    def truncate(self, length: Int[Tensor, " b"]) -> None:
        raise AssertionError("nothing is kept between passes")

    def seal(self) -> None:
        pass

    def fork(self, sequences: Int[Tensor, " c"]) -> None:
        raise AssertionError("nothing is kept between passes")

    def select(self, rows: Int[Tensor, " q"]) -> None:
        raise AssertionError("nothing is kept between passes")

    @property
    def nbytes(self) -> int:
        return 0

    @property
    def tokens_read(self) -> int:
        return sum(self._reads)


@final
@dataclass(frozen=True, eq=False)
class OnceOpening(Opening):
    """The keys and values of one pass, between their writing and their reading."""

    layout: Layout
    mask: Bool[Tensor, "r 1 n"] | None
    examples: Int[Tensor, "r n"] | None
    reads: list[int]
    written: dict[int, KeysValues] = field(default_factory=dict)

    def write(
        self, layer: int, keys: Float[Tensor, "r n g k"], values: Float[Tensor, "r n g k"], layout: Layout
    ) -> None:
        self.written[layer] = (keys, values)

    def read(self, layer: int, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        keys, values = self.written.pop(layer)
        self.reads.append(keys.shape[0] * keys.shape[1])
        return [Part(keys, values, layout.positions, self.mask, examples=self.examples)]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return make()


def _visible(layout: Layout) -> tuple[Tensor | None, Tensor | None]:
    """(mask, examples) of what is read, the same in all layers of a pass: never of queries times keys."""
    if layout.unpadded:
        return None, None
    return (layout.valid[:, None], None) if layout.single else (None, layout.segments)
