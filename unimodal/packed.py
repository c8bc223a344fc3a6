"""Products of eight-bit weights as FBGEMM packs them, which torch's other eight-bit kernels do not reach on few tokens.

n tokens, d width
"""

import hashlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final
from weakref import WeakValueDictionary

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor

ENGINES = ("x86", "fbgemm")
"""torch's names of the engine that packs."""
ZERO = 128
"""The kernel's integer of zero: inputs become integers from -128 to 127."""
_LINEAR = torch.ops.quantized.linear_with_input_q_dq_qweight_dq_output_fp32.default
"""Input, the step that it is rounded to, the integer of zero, packed weights -> float32; all but the sums is fused."""
_PACKED: "WeakValueDictionary[str, Packed]" = WeakValueDictionary()


@final
class Packed:
    """Takes inputs that are near integers to their products with `weight * scale`.

    Where shapes alone are followed (`torch.export`, symbolic tracing) packed weights are unknown: there they go by a
    name, a digest of what they hold, and a program finds them in every process that has packed the same weights. Pack
    before, by a call.
    """

    def __init__(self, weight: Int[Tensor, "out in"], scale: Float[Tensor, " out"]) -> None:
        digest = hashlib.blake2b(weight.contiguous().numpy().data, digest_size=16)
        digest.update(scale.contiguous().numpy().data)
        self.name = digest.hexdigest()
        self.outputs = len(scale)
        with _quantized_tensors():
            zeros = torch.zeros(len(scale), dtype=torch.long)
            quantized = torch.quantize_per_channel(weight * scale[:, None], scale, zeros, 0, torch.qint8)
            self._weights = torch.ops.quantized.linear_prepack(quantized, None)
        _PACKED[self.name] = self

    def __call__(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n out"]:
        product: Tensor
        if isinstance(x, FakeTensor):
            product = torch.ops.unimodal.packed_product(x, self.name, self.outputs)
        else:
            product = _LINEAR(x, 1.0, ZERO, self._weights)
        return product

    def integers(self) -> Int[Tensor, "out in"]:
        """The weights as they were given."""
        with _quantized_tensors():
            quantized, _bias = torch.ops.quantized.linear_unpack(self._weights)
            integers: Tensor = quantized.int_repr()
        return integers


def _multiply(x: Tensor, name: str, outputs: int) -> Tensor:
    found = _PACKED.get(name)
    if found is None:
        raise ValueError("int8: a recorded model's weights are not here: load the model that it was recorded of, first")
    return found(x)


def _shape(x: Tensor, name: str, outputs: int) -> Tensor:
    return x.new_empty(*x.shape[:-1], outputs)


_LIBRARY = torch.library.Library("unimodal", "FRAGMENT")
_LIBRARY.define("packed_product(Tensor x, str name, int outputs) -> Tensor")
_LIBRARY.impl("packed_product", _multiply, "CPU")
_LIBRARY.impl("packed_product", _shape, "Meta")


@contextmanager
def _quantized_tensors() -> Iterator[None]:
    """Without the warning that they are deprecated: the kernel takes nothing else."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "torch.quantize_per", UserWarning)
        yield
