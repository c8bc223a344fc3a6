"""Two bytes a number."""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from unimodal.wire_formats import WireFormat


@final
class BFloat16(WireFormat):
    """The upper half of single precision, rounded to nearest: up to 0.4 % off."""

    def num_bytes(self, num: int) -> int:
        return 2 * num

    def encode(self, numbers: Float[Tensor, " n"]) -> UInt8[Tensor, " c"]:
        return numbers.to(torch.bfloat16).contiguous().view(torch.uint8)

    def decode(self, payload: UInt8[Tensor, " c"], num: int) -> Float[Tensor, " n"]:
        return payload.clone().view(torch.bfloat16).float()
