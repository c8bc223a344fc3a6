"""Keys and values in eight bits, whatever cache they lie in.

r rows, n entries of a pass in each row, s slots, g key-value heads, k width of a head
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unimodal.attention import Part
from unimodal.caches import Cache, KeysValues, Opening
from unimodal.caches.dense import Dense
from unimodal.decoding.lineage import ROUND
from unimodal.layout import Layout

LARGEST = 127
SCALE = torch.bfloat16
"""Of 16 bits, with the range of float32; integers are rounded for the scale as it is kept."""
Form = tuple[torch.dtype, int]
"""What numbers were before: their type, and how many a head has."""


@final
class Quantized(Cache):
    """Another cache, given integers from -127 to 127 with a scale for every head of every entry; memories as well.

    About a quarter of float32's bytes and half of bfloat16's; every pass makes the numbers that it reads again, which
    takes time. KIVI (Liu et al. 2024, 2402.02750) scales keys by channel, which two bits need and eight do not: so an
    entry needs no other, and may come and go alone.
    """

    tolerance = 0.05

    def __init__(
        self, rows: int, device: torch.device, *, cache: Callable[..., Cache] = Dense, capacity: int = ROUND
    ) -> None:
        self.cache = cache(rows, device, capacity=capacity)
        self._forms: dict[str, Form] = {}

    @property
    def length(self) -> Int[Tensor, " b"]:  # type: ignore[override]  # the other cache keeps it
        return self.cache.length

    def open(self, layout: Layout) -> Opening:
        opening = self.cache.open(layout)
        return QuantizedOpening(layout=opening.layout, opening=opening, forms=self._forms)

    def keep(self, nodes: Int[Tensor, "b a"], count: Int[Tensor, " b"]) -> None:
        self.cache.keep(nodes, count)

    def truncate(self, length: Int[Tensor, " b"]) -> None:
        self.cache.truncate(length)

    def seal(self) -> None:
        self.cache.seal()

    def fork(self, sequences: Int[Tensor, " c"]) -> None:
        self.cache.fork(sequences)

    def select(self, rows: Int[Tensor, " q"]) -> None:
        self.cache.select(rows)

    @property
    def nbytes(self) -> int:
        return self.cache.nbytes

    @property
    def tokens_read(self) -> int:
        return self.cache.tokens_read


@final
@dataclass(frozen=True, eq=False)
class QuantizedOpening(Opening):
    """The other cache's, between integers and numbers."""

    layout: Layout
    opening: Opening
    forms: dict[str, Form]
    """By what they are, `entries` or the name of a memory."""

    def write(
        self, layer: int, keys: Float[Tensor, "r n g k"], values: Float[Tensor, "r n g k"], layout: Layout
    ) -> None:
        self.forms["entries"] = keys.dtype, keys.shape[-1]
        self.opening.write(layer, encode(keys), encode(values), layout)

    def read(self, layer: int, q: Float[Tensor, "r n h k"], layout: Layout) -> list[Part]:
        form = self.forms["entries"]
        return [
            replace(part, keys=decode(part.keys, form), values=decode(part.values, form))
            for part in self.opening.read(layer, q, layout)
        ]

    def memory(self, layer: int, name: str, make: Callable[[], KeysValues]) -> KeysValues:
        def encoded() -> KeysValues:
            keys, values = make()
            self.forms[name] = keys.dtype, keys.shape[-1]
            return encode(keys), encode(values)

        keys, values = self.opening.memory(layer, name, encoded)
        return decode(keys, self.forms[name]), decode(values, self.forms[name])


def encode(x: Float[Tensor, "*n k"]) -> Float[Tensor, "*n pairs"]:
    """Integers and, behind them, the bytes of the scale that takes them back; a zero fills up an odd width.

    Two bytes pass for one number of 16 bits: caches hold floating numbers, and do nothing with them but hold them.
    """
    x = functional.pad(x, (0, x.shape[-1] % 2))
    scale = (x.abs().amax(-1, keepdim=True) / LARGEST).clamp_min(1e-30).to(SCALE)
    integers = (x / scale).round().clamp(-LARGEST, LARGEST).to(torch.int8)
    return torch.cat((integers.view(SCALE), scale), -1)


def decode(encoded: Float[Tensor, "*n pairs"], form: Form) -> Float[Tensor, "*n k"]:
    """The numbers; what was never written, zeros throughout, is zero."""
    dtype, width = form
    return encoded.view(torch.int8)[..., :width].to(dtype) * encoded[..., -1:].to(dtype)
