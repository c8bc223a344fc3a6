"""Four bytes a number, exact."""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from unimodal.wire_formats import WireFormat


@final
class Float32(WireFormat):
    """IEEE single precision, without error."""

    def num_bytes(self, num: int) -> int:
        return 4 * num

    def encode(self, numbers: Float[Tensor, " n"]) -> UInt8[Tensor, " c"]:
        return numbers.float().contiguous().view(torch.uint8)

    def decode(self, payload: UInt8[Tensor, " c"], num: int) -> Float[Tensor, " n"]:
        return payload.clone().view(torch.float32)  # a slice of a message may start at any byte
