"""Batches on their way from a data worker: all tensors in one piece of shared memory.

torch hands over each tensor's memory by itself, with a question to the worker and its answer; for the sixty tensors of
a mixed batch that took longer than all else that a run waited for.
"""

import io
import itertools
import pickle
from typing import Any, NamedTuple, final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from unimodal.batching import Batch

ALIGNMENT = 64
"""Bytes: each array begins at a multiple, as torch's own do."""


class Parcel(NamedTuple):
    """A batch without its arrays (pickled, between processes of one program alone), and these, one behind the other."""

    outline: bytes
    sizes: list[int]
    content: UInt8[Tensor, " n"]


def pack(batch: Batch) -> Parcel:
    """In the worker."""
    stream, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    _Outline(stream, protocol=5, buffer_callback=buffers.append).dump(batch)
    arrays = [np.frombuffer(buffer.raw(), np.uint8) for buffer in buffers]
    sizes = [len(array) for array in arrays]
    starts = _starts(sizes)
    content = np.empty(starts[-1], np.uint8)
    for start, array in zip(starts, arrays, strict=False):  # the last one is the end
        content[start : start + len(array)] = array
    return Parcel(stream.getvalue(), sizes, torch.from_numpy(content))


def unpack(parcel: Parcel) -> Batch:
    """In the run: tensors are views of the shared memory."""
    content = parcel.content.numpy().data
    pieces = [content[start : start + size] for start, size in zip(_starts(parcel.sizes), parcel.sizes, strict=False)]
    batch: Batch = pickle.loads(parcel.outline, buffers=pieces)
    return batch


def _starts(sizes: list[int]) -> list[int]:
    """Where each array begins, and where the last one ends."""
    return [0, *itertools.accumulate(-(-size // ALIGNMENT) * ALIGNMENT for size in sizes)]


@final
class _Outline(pickle.Pickler):
    """Leaves the numbers of tensors to `buffer_callback`."""

    def reducer_override(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return torch.from_numpy, (value.contiguous().numpy(),)
        return NotImplemented
