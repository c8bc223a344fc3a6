"""Wire formats: how numbers become the bytes that workers send each other.

n numbers, c bytes
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, UInt8
from torch import Tensor


class WireFormat(ABC):
    """Numbers to bytes and back; tokens have a Codec, which is another thing.

    Laws: n finite numbers take `num_bytes(n)` bytes whatever they are; the same numbers give the same bytes; what was
    read and is sent again is read the same; zero and signs are kept. Each class states its error.
    """

    @abstractmethod
    def num_bytes(self, num: int) -> int:
        """Bytes that `num` numbers take."""

    @abstractmethod
    def encode(self, numbers: Float[Tensor, " n"]) -> UInt8[Tensor, " c"]:
        """The bytes of one tensor's numbers, on the processor."""

    @abstractmethod
    def decode(self, payload: UInt8[Tensor, " c"], num: int) -> Float[Tensor, " n"]:
        """The numbers again, in float32."""


def pack(tensors: Sequence[Tensor], wire_format: WireFormat) -> UInt8[Tensor, " c"]:
    """One message of several tensors; a format with a scale chooses it for each tensor alone."""
    return torch.cat([wire_format.encode(tensor.detach().float().cpu().flatten()) for tensor in tensors])


def unpack(payload: UInt8[Tensor, " c"], like: Sequence[Tensor], wire_format: WireFormat) -> list[Tensor]:
    """The tensors of a message, in float32, with the shapes and on the devices of those given."""
    sizes = [wire_format.num_bytes(tensor.numel()) for tensor in like]
    if sum(sizes) != len(payload):
        raise ValueError(f"a message of {len(payload)} bytes where {sum(sizes)} are expected: do the models differ?")
    parts = zip(payload.split(sizes), like, strict=True)
    return [wire_format.decode(part, tensor.numel()).view(tensor.shape).to(tensor.device) for part, tensor in parts]


def num_packed_bytes(tensors: Sequence[Tensor], wire_format: WireFormat) -> int:
    """Bytes of a message with these tensors."""
    return sum(wire_format.num_bytes(tensor.numel()) for tensor in tensors)
