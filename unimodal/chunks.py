"""Long passes of an attention, some queries at a time, so that nothing of queries times keys is ever held whole.

b rows, t queries, h heads, k width of a head
"""

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.utils.checkpoint import checkpoint

WHOLE = 2**27
"""Bytes of queries times keys (bias, mask and, without a fused kernel, scores) up to which they are made whole: then
blocks share them."""
CHUNK = 2**24
"""Bytes of a chunk: small enough for memory to be used again, large enough for the kernel to be busy."""
RECOMPUTED = 2**26
"""Bytes of a chunk where gradients are asked for: so large that the system takes back at once what is dropped (glibc
keeps what is below 32 MiB, and what stays of each chunk would cut it up)."""
FEWEST = 32
"""Queries of the shortest chunk, though they take more bytes: fewer would read all keys too often."""


def chunk_length(time: int, bytes_per_query: int) -> int:
    """How many of `time` queries attend at a time."""
    if time * bytes_per_query <= WHOLE:
        return time
    return max(FEWEST, (RECOMPUTED if torch.is_grad_enabled() else CHUNK) // bytes_per_query)


def attend_in_chunks(
    q: Float[Tensor, "b t h k"], length: int, attend: Callable[[Tensor, slice], Tensor]
) -> Float[Tensor, "b t h k"]:
    """`attend(q[:, span], span)` for one span of `length` queries after the other.

    Where gradients are asked for, a chunk is computed again on the way back: all of them kept would be the whole.
    """
    queries = q.split(length, 1)
    # Room for what stays is taken first: between what a chunk makes and drops it would leave holes that nothing fills.
    rooms = [torch.empty_like(some) for some in queries]
    begin = 0
    for some, room in zip(queries, rooms, strict=True):
        span = slice(begin, begin + some.shape[1])
        if torch.is_grad_enabled():
            room.copy_(checkpoint(attend, some, span, use_reentrant=False))
        else:
            room.copy_(attend(some, span))
        begin = span.stop
    return torch.cat(rooms, 1)
