"""Which tokens an answer has, read off an encoder in whatever order.

p pieces, l entries of a piece, c classes of a readout
"""

from collections.abc import Collection, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.batching import Batch
from unimodal.heard import Heard, ear
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term
from unimodal.vocabulary import TokenSpace


@final
class Histogram(Loss):
    """KL divergence, in nats, of the tokens that a readout hears on average from the shares that the answer's have.

    For texts that say what was said in another order, or not all of it (Poncelet and Van hamme 2025, 2502.03212). The
    mean is taken over the entries of a net, of all classes but the blank. `readout` and `block` as in `Ear`. An answer
    that is empty or holds other tokens than text has no target.
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
        num_classes = heard.logs.shape[-1]
        known = torch.stack([(answer < num_classes).all() & (answer.numel() > 0) for answer in heard.answers])
        term = heard.term(_divergences(heard), known, batch.num_examples)
        return {f"histogram{self.ear.suffix}": term}


def _divergences(heard: Heard) -> Float[Tensor, " p"]:
    num_pieces, time, num_classes = heard.logs.shape
    inside = torch.arange(time, device=heard.logs.device) < heard.entries[:, None]
    summed = heard.logs.masked_fill(~inside[..., None], -torch.inf).logsumexp(1)
    said = summed.masked_fill(torch.arange(num_classes, device=summed.device) == TokenSpace.pad, -torch.inf)
    logs = said.log_softmax(-1)
    counts = [torch.bincount(answer[answer < num_classes], minlength=num_classes) for answer in heard.answers]
    shares = torch.stack(counts).to(logs) / torch.stack([count.sum() for count in counts]).clamp_min(1)[:, None]
    present = shares > 0
    terms = shares * (shares.clamp_min(torch.finfo(logs.dtype).tiny).log() - logs.where(present, 0.0))
    return terms.masked_fill(~present, 0).sum(-1)
