"""Where every entry of a batch of sequences stands: one carrier beside every tensor.

b rows, t entries of this pass, n nodes of an open tree, s cached entries
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Int
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Layout:
    """Lengths, positions, examples and kinds of one pass over a batch.

    A leading dimension of 1 stands for "the same in every row": what depends on positions alone is computed once.
    """

    positions: Int[Tensor, "#b t"]
    """What position functions see; siblings of a tree share one."""
    valid: Bool[Tensor, "b t"]
    """False where the entry is padding."""
    index: Int[Tensor, "#b t"]
    """Entry of the row's sequence: the slot of a cache that it is written to."""
    segments: Int[Tensor, "b t"]
    """The example of each entry, numbered through the batch; -1 on padding. Attention never leaves an example."""
    kinds: Int[Tensor, "b t"]
    """An opaque integer, the net that made the entry."""
    base: Int[Tensor, " b"]
    """Entries of each row that were committed before this pass."""
    prefix: Int[Tensor, "b t"]
    """How many first positions of the entry's example are its prompt (prefix language models); 0 where none."""
    seen: Bool[Tensor, "b t n"] | None = None
    """Open-tree nodes (the entries from `base` on) that an entry may see; None: all that its mask allows."""
    reads: Int[Tensor, "b t"] | None = None
    """The example whose memories an entry reads, where several are asked about one source; None: its own."""

    @classmethod
    def of_valid(cls, valid: Bool[Tensor, "b t"]) -> "Layout":
        """One example a row, counted from its first entry; padding on the right."""
        rows, time = valid.shape
        positions = torch.arange(time, device=valid.device)[None]
        example = torch.arange(rows, device=valid.device)[:, None].expand(rows, time)
        zeros = torch.zeros_like(example)
        return cls(
            positions=positions,
            valid=valid,
            index=positions,
            segments=torch.where(valid, example, -1),
            kinds=zeros,
            base=zeros[:, 0],
            prefix=zeros,
        )

    @classmethod
    def of_lengths(cls, lengths: Int[Tensor, " b"], time: int) -> "Layout":
        """As `of_valid`, from the number of real entries in each row."""
        return cls.of_valid(torch.arange(time, device=lengths.device)[None] < lengths[:, None])

    def take(self, rows: Int[Tensor, " r"]) -> "Layout":
        """The layout of some rows, in the order given."""

        def pick(value: Tensor) -> Tensor:
            return value if value.shape[0] == 1 else value[rows]

        return replace(
            self,
            positions=pick(self.positions),
            valid=self.valid[rows],
            index=pick(self.index),
            segments=self.segments[rows],
            kinds=self.kinds[rows],
            base=self.base[rows],
            prefix=self.prefix[rows],
            seen=None if self.seen is None else self.seen[rows],
            reads=None if self.reads is None else self.reads[rows],
        )

    def entries(self, span: slice) -> "Layout":
        """The layout of some entries of every row."""
        fields = {name: value[:, span] for name, value in vars(self).items() if value is not None and name != "base"}
        return replace(self, **fields)

    def to(self, device: torch.device) -> "Layout":
        """The same layout on another device."""
        moved = {name: value.to(device) for name, value in vars(self).items() if value is not None}
        return replace(self, **moved)

    @property
    def single(self) -> bool:
        """Whether every row is one example, padded or not."""
        return bool(((self.segments == self.segments.amax(1, keepdim=True)) | ~self.valid).all())

    @property
    def unpadded(self) -> bool:
        """Whether every row is one whole example without padding, so that no entry has to be hidden."""
        return bool(self.valid.all()) and self.single


def stack_ragged(tensors: Sequence[Tensor], fill: float = 0) -> Tensor:
    """Tensors that differ in their first dimension, stacked with padding at its end."""
    longest = max(tensor.shape[0] for tensor in tensors)
    stacked = tensors[0].new_full((len(tensors), longest, *tensors[0].shape[1:]), fill)
    for row, tensor in zip(stacked, tensors, strict=True):
        row[: tensor.shape[0]] = tensor
    return stacked
