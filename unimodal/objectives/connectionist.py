"""The answer read off an encoder, entry by entry: teaches it to hear before its decoder can spell.

p pieces, l entries of a piece
"""

from collections.abc import Collection, Sequence
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional

from unimodal.batching import Batch
from unimodal.heard import ear
from unimodal.layout import stack_ragged
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term
from unimodal.vocabulary import TokenSpace


@final
class Connectionist(Loss):
    """Connectionist temporal classification (Graves et al. 2006) of a net's encoded entries, per token of the answer.

    The model's readout of the net is taught, which decoding may ask too (`unimodal.scorers.connectionist`); its blank
    is the padding id, which no answer holds. It is for tasks whose answer runs in the order of the input, so they are
    named. An example whose piece is too short for its answer, or whose answer holds other tokens than text, has no
    target. Another `readout` than the net's own, and an earlier `block`, are named as in `Ear`. Raises ValueError for a
    model without such a readout.
    """

    def __init__(self, *, net: str, tasks: Sequence[str], readout: str | None = None, block: int | None = None) -> None:
        super().__init__()
        self.ear = ear(net, tasks, readout, block)

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        heard = self.ear.hear(model, output, batch)
        if heard is None:
            return {}
        targets = stack_ragged(heard.answers, TokenSpace.pad)
        lengths = torch.tensor([len(answer) for answer in heard.answers], device=targets.device)
        known = _known(targets, lengths, heard.entries, heard.logs.shape[-1])
        losses = functional.ctc_loss(
            heard.logs.transpose(0, 1),
            targets.masked_fill(~known[:, None], TokenSpace.pad),
            heard.entries,
            lengths.masked_fill(~known, 0),
            TokenSpace.pad,
            reduction="none",
        )
        term = heard.term(losses / lengths.clamp_min(1), known, batch.num_examples)
        return {f"connectionist{self.ear.suffix}": term}


def _known(
    targets: Int[Tensor, "p l"], lengths: Int[Tensor, " p"], entries: Int[Tensor, " p"], num_classes: int
) -> Bool[Tensor, " p"]:
    """Whether an answer can be read off: text alone, and a blank between equal neighbours fits in."""
    inside = torch.arange(targets.shape[1], device=targets.device) < lengths[:, None]
    text = (targets < num_classes).all(1)
    repeats = ((targets[:, 1:] == targets[:, :-1]) & inside[:, 1:]).sum(1)
    return text & (lengths + repeats <= entries)
