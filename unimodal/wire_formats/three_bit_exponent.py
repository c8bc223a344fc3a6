"""Four bits a number: a sign and three bits of exponent."""

from typing import final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from unimodal.wire_formats import WireFormat

LARGEST = 7
"""Code of the largest magnitude, 2^0; code 1 is 2^-6 and code 0 is zero."""


@final
class ThreeBitExponent(WireFormat):
    """E3M0: 0 or ± scale * 2^-6 ... 2^0, where the scale is the tensor's largest magnitude (Douillard et al. 2025,
    2501.18512).

    Rounds in the logarithm, so what is at least 2^-6.5 of the scale is at most a factor of 2^0.5 off, and what is less
    becomes zero. The paper does not say how it scales; ours sends the scale in four bytes before the tensor's codes.
    """

    def num_bytes(self, num: int) -> int:
        return 4 + (num + 1) // 2

    def encode(self, numbers: Float[Tensor, " n"]) -> UInt8[Tensor, " c"]:
        numbers = numbers.float()
        scale = numbers.abs().amax() if len(numbers) else numbers.new_zeros(())
        exponents = (numbers.abs() / scale.clamp_min(torch.finfo(torch.float32).tiny)).log2().round()
        magnitudes = (exponents + LARGEST).clamp(0, LARGEST).to(torch.uint8)
        codes = magnitudes | (numbers < 0).to(torch.uint8) << 3
        codes = torch.nn.functional.pad(codes, (0, len(codes) % 2))
        return torch.cat([scale.view(1).view(torch.uint8), codes[::2] | codes[1::2] << 4])

    def decode(self, payload: UInt8[Tensor, " c"], num: int) -> Float[Tensor, " n"]:
        scale = payload[:4].clone().view(torch.float32)
        codes = torch.stack([payload[4:] & 15, payload[4:] >> 4], -1).flatten()[:num]
        magnitudes = torch.exp2((codes & LARGEST).float() - LARGEST) * ((codes & LARGEST) > 0)
        return scale * magnitudes * (1 - 2 * (codes >> 3).float())
