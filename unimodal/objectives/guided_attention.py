"""A diagonal cross-attention, for what is written in the order in which it is read (speech).

n written entries, s source entries, h heads, e examples
"""

from collections.abc import Collection
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import Batch
from unimodal.hidden import Hidden
from unimodal.layout import Layout
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term, mean_by_example


@final
class GuidedAttention(Loss):
    """How far from the diagonal the entries of a net look, from 0 to 1 (Tachibana et al. 2017, 1710.08969).

    It binds the first `heads` heads of the last `blocks` blocks. Weights are summed over the source and averaged over
    what is written (the paper averages over both), so that the term's size does not depend on lengths.
    """

    def __init__(self, *, net: str, heads: int = 2, blocks: int = 2, width: float = 0.2) -> None:
        super().__init__()
        self.net, self.heads, self.blocks, self.width = net, heads, blocks, width

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ("encoder",) if batch.target is not None and self.net in batch.target.pieces else ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        if batch.source is None or batch.target is None or self.net not in batch.target.pieces:
            return {}
        pieces, layout = batch.target.pieces[self.net], batch.target.layout
        rows, entries, _ = pieces.places(int(pieces.entries.max()))
        examples = layout.segments[rows, entries]
        written = _share(layout, rows, examples, batch.num_examples)[torch.arange(len(rows)), entries]
        read = _share(batch.source.layout, rows, examples, batch.num_examples)
        far = 1 - torch.exp(-((read - written[:, None]) ** 2) / (2 * self.width**2))
        far = far.masked_fill(batch.source.layout.segments[rows] != examples[:, None], 0)
        weights = self._weights(output.written)[rows, :, entries]
        losses = (weights * far[:, None]).sum(-1).mean(-1)
        return {"guided_attention": mean_by_example(losses, examples, batch.num_examples)}

    def _weights(self, hidden: Hidden) -> Float[Tensor, "b h t s"]:
        """Of the bound heads, all blocks one after the other."""
        kept = hidden.weights.get("encoder", ())
        assert kept, "the pass kept no attention weights"
        return torch.cat([block[:, : self.heads] for block in kept[-self.blocks :]], 1)


def _share(layout: Layout, rows: Int[Tensor, " n"], examples: Int[Tensor, " n"], num: int) -> Float[Tensor, "n s"]:
    """For each written entry, how far through its example every entry of its row stands, from 0 to below 1."""
    lengths = torch.bincount(layout.segments[layout.valid], minlength=num)
    positions = layout.positions.expand_as(layout.segments)
    return positions[rows] / lengths[examples][:, None]
