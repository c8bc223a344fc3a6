"""No cache: a pass sees its own entries and nothing is kept (training, encoders)."""

from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.attention import Part
from unimodal.caches import Cache, KeysValues
from unimodal.layout import Layout


@final
class Once(Cache):
    """Gives back what was written in the same pass; gradients flow, and a block that is run again writes again."""

    tolerance = 0.0

    def __init__(self, rows: int, device: torch.device) -> None:
        self.length = torch.zeros(rows, dtype=torch.long, device=device)
        self._written: dict[int, KeysValues] = {}
        self._mask: tuple[Layout, Tensor | None] | None = None
        self._tokens_read = 0

    def write(
        self, layer: int, keys: Float[Tensor, "b t g k"], values: Float[Tensor, "b t g k"], layout: Layout
    ) -> None:
        self._written[layer] = (keys, values)

    def read(self, layer: int, q: Float[Tensor, "b t h k"], layout: Layout) -> list[Part]:
        keys, values = self._written.pop(layer)
        self._tokens_read += keys.shape[0] * keys.shape[1]
        return [Part(keys, values, layout.positions, self._visible(layout))]

    def _visible(self, layout: Layout) -> Tensor | None:
        """Entries of the same example; computed once for all layers of a pass."""
        if self._mask is None or self._mask[0] is not layout:
            same = layout.segments[:, :, None] == layout.segments[:, None, :]
            self._mask = (layout, None if layout.unpadded else same & layout.valid[:, None, :])
        return self._mask[1]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        return make()

    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        raise AssertionError("nothing is kept between passes")

    def truncate(self, length: Int[Tensor, " b"]) -> None:
        raise AssertionError("nothing is kept between passes")

    def seal(self) -> None:
        pass

    def fork(self, rows: Int[Tensor, " r"]) -> None:
        raise AssertionError("nothing is kept between passes")

    @property
    def nbytes(self) -> int:
        return 0

    @property
    def tokens_read(self) -> int:
        return self._tokens_read
