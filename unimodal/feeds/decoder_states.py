"""The states of a decoder that reads what an encoder's readout has heard.

b rows, s entries of a memory, n tokens behind their start, c classes of a readout, d width
"""

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.caches.once import Once
from unimodal.feeds import Feed
from unimodal.hidden import Memory
from unimodal.layout import Layout
from unimodal.vocabulary import TokenSpace

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

BLANK = TokenSpace.pad


@final
class DecoderStates(Feed):
    """The last states of the decoder of `net` over the best path of a readout (Graves et al. 2006).

    An intermediate text that is not trained through, whose states are (searchable intermediates; Dalmia et al. 2021,
    2105.00573). Differs from feeding the states of the reference or of a beam: most examples have no such text to
    learn from, and so what is read in use is what was read in training. `heard` is the net whose entries the readout
    scores.
    """

    def __init__(self, *, net: str, readout: str, heard: str) -> None:
        self.net, self.readout, self.heard = net, readout, heard

    def needs(self, model: "UnimodalForConditionalGeneration") -> Collection[str]:
        if self.net not in model.backbone.decoders:
            raise ValueError(f"net: the model has no decoder of its own for {self.net}")
        if self.readout not in model.readouts:
            raise ValueError(f"readout: the model has no readout {self.readout}")
        return {model.readout_memory(self.readout), *model.backbone.writer(self.net).reads}

    def entries(
        self, memories: Mapping[str, Memory], model: "UnimodalForConditionalGeneration"
    ) -> tuple[Float[Tensor, "b n d"], Layout]:
        memory = memories[model.readout_memory(self.readout)]
        with torch.no_grad():
            best = model.read_off(self.readout, memory.hidden).argmax(-1)
            here = memory.mask & (memory.layout.kinds == model.kinds[self.heard])
            ids, layout = spell(best.where(here, BLANK), memory.layout, kind=model.kinds[self.net])
        read = {name: memories[name] for name in model.backbone.writer(self.net).reads}
        once = Once(ids.shape[0], ids.device)
        hidden = model.backbone.decode(model.embed_tokens(ids), layout, once, read, net=self.net)
        return hidden.last, layout


def spell(best: Int[Tensor, "b s"], layout: Layout, *, kind: int) -> tuple[Int[Tensor, "b n"], Layout]:
    """Each example's path -> the start token and its text, repeats and blanks left out, in the examples' order."""
    before = torch.nn.functional.pad(layout.segments[:, :-1], (1, 0), value=-1)
    begins = layout.valid & (layout.segments != before)
    last = torch.nn.functional.pad(best[:, :-1], (1, 0), value=BLANK)
    said = (best != BLANK) & ((best != last) | begins)
    starts = torch.full_like(best, TokenSpace.start)
    pairs = torch.stack([starts, best], -1).flatten(1)
    kept = torch.stack([begins, said], -1).flatten(1)
    order, valid = _first(kept)
    ids = pairs.gather(1, order).masked_fill(~valid, TokenSpace.pad)
    segments = layout.segments.repeat_interleave(2, dim=1).gather(1, order).masked_fill(~valid, -1)
    index = torch.arange(ids.shape[1], device=ids.device)[None]
    opened = torch.where(valid & (order % 2 == 0), index, 0).cummax(1).values
    zeros = torch.zeros_like(ids)
    return ids, Layout(
        positions=index - opened,
        valid=valid,
        index=index,
        segments=segments,
        kinds=zeros + kind,
        base=zeros[:, 0],
        prefix=zeros,
    )


def _first(kept: Bool[Tensor, "b t"]) -> tuple[Int[Tensor, "b n"], Bool[Tensor, "b n"]]:
    """(places of what is kept, in order and padded; which of them are real)."""
    counts = kept.sum(1)
    order = kept.int().argsort(dim=1, descending=True, stable=True)[:, : int(counts.max())]
    return order, torch.arange(order.shape[1], device=kept.device) < counts[:, None]
