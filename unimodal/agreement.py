"""What workers have in common: the parameters that learn, their digest, the mean of what all sent."""

import hashlib
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from unimodal.links import Link, Round
from unimodal.wire_formats import WireFormat, unpack

DIGEST = 8
"""Bytes of a digest."""
TRIES = 50
"""Rounds in which workers that begin may miss each other."""


def learning_parameters(model: nn.Module) -> list[nn.Parameter]:
    """In the order of their definition, shared ones once. Raises ValueError where nothing learns."""
    found = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if not found:
        raise ValueError("communicator: the model has no parameters that learn")
    return found


def digest(tensors: Sequence[Tensor]) -> Tensor:
    """Bytes that differ, almost surely, where a bit of the tensors differs."""
    found = hashlib.sha256()
    for tensor in tensors:
        found.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return torch.tensor(list(found.digest()[:DIGEST]), dtype=torch.uint8)


def require_same_start(link: Link, tensors: Sequence[Tensor]) -> None:
    """Raises ValueError where workers begin with different weights; asks again while messages are lost on the way.

    Raises OSError where no round has them all.
    """
    if link.missed():
        raise ValueError("communicator: a run that has begun can be joined by shared directions alone")
    own = digest(tensors)
    for _ in range(TRIES):
        arrived = link.gather(own)()
        if set(arrived) >= set(link.workers):
            others = [number for number, message in arrived.items() if not torch.equal(message, arrived[min(arrived)])]
            if others:
                raise ValueError(f"communicator: workers {others} begin with other weights than worker {min(arrived)}")
            return
    raise ConnectionError(f"communicator: in {TRIES} rounds there was none in which all of {link.workers} met")


def mean_of_round(arrived: Round, like: Sequence[Tensor], wire_format: WireFormat) -> list[Tensor]:
    """In float32, added in the order of the workers' numbers: the same bits everywhere."""
    assert arrived, "the mean of nothing"
    sums = [torch.zeros_like(tensor, dtype=torch.float32) for tensor in like]
    for message in arrived.values():
        for total, tensor in zip(sums, unpack(message, like, wire_format), strict=True):
            total += tensor
    return [total / len(arrived) for total in sums]


def settle(agreed: Sequence[Tensor], arrived: Round, wire_format: WireFormat) -> None:
    """Moves what was agreed on to the mean of the workers' weights, given by their differences from it."""
    if arrived:
        for tensor, mean in zip(agreed, mean_of_round(arrived, agreed, wire_format), strict=True):
            tensor -= mean
