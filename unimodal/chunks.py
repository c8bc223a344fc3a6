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
FEWEST = 32
"""Queries of the shortest chunk, though they take more bytes: fewer would read all keys too often."""


def chunk_length(time: int, bytes_per_query: int) -> int:
    """How many of `time` queries attend at a time."""
    return time if time * bytes_per_query <= WHOLE else max(FEWEST, CHUNK // bytes_per_query)


def attend_in_chunks(
    q: Float[Tensor, "b t h k"], length: int, attend: Callable[[Tensor, slice], Tensor]
) -> Float[Tensor, "b t h k"]:
    """`attend(q[:, span], span)` for one span of `length` queries after the other.

    Where gradients are asked for, a chunk is computed again on the way back: all of them kept would be the whole.
    """
    spans = [slice(begin, begin + length) for begin in range(0, q.shape[1], length)]
    if torch.is_grad_enabled():
        return torch.cat([checkpoint(attend, q[:, span], span, use_reentrant=False) for span in spans], 1)
    return torch.cat([attend(q[:, span], span) for span in spans], 1)
