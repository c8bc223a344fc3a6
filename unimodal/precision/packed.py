"""Products of eight-bit weights as FBGEMM packs them, which torch's other eight-bit kernels do not reach on few tokens.

n tokens, d width
"""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.decoding.products import Multiplier, offer

ENGINES = ("x86", "fbgemm")
"""torch's names of the engine that packs."""
ZERO = 128
"""The kernel's integer of zero: inputs become integers from -128 to 127."""
_LINEAR = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
"""Input, the step that it is rounded to, the integer of zero, packed weights -> float32; all but the sums is fused."""


@final
class Packed(Multiplier):
    """Takes inputs that are near integers to their products with `weight * scale`."""

    def __init__(self, weight: Int[Tensor, "out in"], scale: Float[Tensor, " out"]) -> None:
        with _quantized_tensors():
            zeros = torch.zeros(len(scale), dtype=torch.long)
            quantized = torch.quantize_per_channel(weight * scale[:, None], scale, zeros, 0, torch.qint8)
            self._weights = torch.ops.quantized.linear_prepack(quantized, None)
        self._offered: Tensor | None = None

    def multiply(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n out"]:
        product: Tensor = _LINEAR(x, 1.0, ZERO, self._weights)
        return product

    def offer(self, weight: Int[Tensor, "out in"]) -> None:
        """Recorded products with these integers are this one's."""
        self._offered = weight
        offer(self, weight)

    def integers(self) -> Int[Tensor, "out in"]:
        """The weights as they were given."""
        with _quantized_tensors():
            quantized, _bias = torch.ops.quantized.linear_unpack(self._weights)
            integers: Tensor = quantized.int_repr()
        return integers


@contextmanager
def _quantized_tensors() -> Iterator[None]:
    """Without the warning that they are deprecated: the kernel takes nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.quantize_per", UserWarning)
        yield
