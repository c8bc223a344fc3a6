"""Weights in four bits, a scale and a zero for every group of a row's weights; activations keep their numbers.

Round to nearest: w = scale[group] * (integer - 8) + middle[group] (as in Frantar et al. 2022, 2210.17323, without their
correction of later columns, which needs examples). Products are torch's own for a CPU, in bfloat16: what that rounds is
a tenth of what four bits round. The token table is kept in eight bits, as in Int8: four cost it too much.

g groups of a row
"""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import BFloat16, Float, UInt8
from torch import Tensor, nn
from torch.nn import functional

from unimodal.quantizations import Map, Quantization, QuantizedLinear, joined_bias
from unimodal.quantizations.int8 import Int8
from unimodal.tables import TokenTable

GROUPS = (32, 64, 128, 256)
"""Sizes that the kernel has."""
LARGEST = 15
MULTIPLE = 16
"""Of outputs: what the kernel takes; others are filled up with zeros."""


@final
class Int4(Quantization):
    """`group` weights of a row share a scale and a zero: 5 bits a weight at 32, 4.5 at 64."""

    tolerance = 0.3

    def __init__(self, *, group: int = 32, packed: float = 0.6) -> None:
        if group not in GROUPS:
            raise ValueError(f"group: expected one of {', '.join(map(str, GROUPS))}, got {group}")
        self.group = group
        self._tables = Int8(packed=packed)

    def linear(self, linear: nn.Linear) -> Map:
        integers, scale = quantize_groups(linear.weight.detach(), self.group)
        weight = integers[:, ::2] | integers[:, 1::2] << 4
        return Int4Linear(weight, scale, linear.bias, in_features=linear.in_features)

    def table(self, table: TokenTable) -> nn.Module:
        return self._tables.table(table)


@final
class Int4Linear(QuantizedLinear):
    """A linear map. Two integers lie in a byte; they are packed as the processor wants them at the first call."""

    weight: UInt8[Tensor, "out half"] | None
    scale: BFloat16[Tensor, "out g 2"]

    def __init__(
        self,
        weight: UInt8[Tensor, "out half"],
        scale: BFloat16[Tensor, "out g 2"],
        bias: nn.Parameter | None,
        *,
        in_features: int,
    ) -> None:
        super().__init__()
        self.in_features, self.out_features = in_features, weight.shape[0]
        self.width = 2 * weight.shape[1]  # the inputs, filled up to whole groups
        self.group = self.width // scale.shape[1]
        self.register_buffer("weight", weight)
        self.register_buffer("scale", scale)
        self.bias = bias
        self._packed: tuple[Tensor, Tensor] | None = None
        self.register_state_dict_pre_hook(_unpack)
        self.register_load_state_dict_pre_hook(_unpack)

    def forward(self, x: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        weight, scale = self._pack() if self._packed is None else self._packed
        rows = x.reshape(-1, self.in_features).to(torch.bfloat16)
        if self.width > self.in_features:
            rows = functional.pad(rows, (0, self.width - self.in_features))
        y = torch._weight_int4pack_mm_for_cpu(rows, weight, self.group, scale)
        y = y[:, : self.out_features].to(x.dtype).reshape(*x.shape[:-1], self.out_features)
        return y if self.bias is None else y + self.bias

    def beside(self, others: Sequence[QuantizedLinear]) -> "Int4Linear":
        maps = (self, *others)
        states = [each.state_dict() for each in maps]
        weight, scale = (torch.cat([state[name] for state in states]) for name in ("weight", "scale"))
        return Int4Linear(weight, scale, joined_bias(maps), in_features=self.in_features)

    def prepare_recording(self) -> None:
        raise ValueError("capture: weights in four bits cannot be compiled; take int8 or float32, or decode without it")

    def _pack(self) -> tuple[Tensor, Tensor]:
        assert self.weight is not None
        missing = -self.out_features % MULTIPLE
        integers = torch.stack((self.weight & LARGEST, self.weight >> 4), -1).flatten(1)
        integers = functional.pad(integers, (0, 0, 0, missing)).int()
        scale = functional.pad(self.scale, (0, 0, 0, 0, 0, missing)).transpose(0, 1).contiguous()
        self._packed = (torch._convert_weight_to_int4pack_for_cpu(integers, 1), scale)
        self.weight, self.scale = None, scale.transpose(0, 1)[: self.out_features]
        return self._packed


def quantize_groups(x: Float[Tensor, "n d"], group: int) -> tuple[UInt8[Tensor, "n width"], BFloat16[Tensor, "n g 2"]]:
    """Integers from 0 to 15, and for every group its scale and its middle: x is nearly scale * (integer - 8) + middle.

    Rows are filled up with zeros to whole groups.
    """
    x = functional.pad(x.float(), (0, -x.shape[1] % group)).unflatten(1, (-1, group))
    smallest, largest = x.amin(-1), x.amax(-1)
    scale = ((largest - smallest) / LARGEST).clamp_min(1e-30).to(torch.bfloat16).float()
    middle = (smallest + 8 * scale).to(torch.bfloat16)
    integers = ((x - middle.float()[..., None]) / scale[..., None] + 8).round().clamp(0, LARGEST)
    return integers.to(torch.uint8).flatten(1), torch.stack((scale.to(torch.bfloat16), middle), -1)


def _unpack(module: nn.Module, *_: object) -> None:
    """Before a state dict is taken or loaded: the integers as they were, read off by multiplying the unit vectors."""
    assert isinstance(module, Int4Linear)
    if module._packed is None:
        return
    packed, scale = module._packed
    ones = torch.stack((torch.ones_like(scale[..., 0]), torch.zeros_like(scale[..., 1])), -1)
    units = torch.eye(module.width, dtype=torch.bfloat16)
    values = torch._weight_int4pack_mm_for_cpu(units, packed, module.group, ones)[:, : module.out_features]
    integers = (values.T + 8).to(torch.uint8).contiguous()
    module.weight, module.scale = integers[:, ::2] | integers[:, 1::2] << 4, module.scale.contiguous()
    module._packed = None
