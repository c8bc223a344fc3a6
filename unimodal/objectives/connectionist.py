"""The answer read off the encoder, entry by entry: teaches an encoder to hear before its decoder can spell.

p pieces, l entries of a piece
"""

from collections.abc import Collection, Sequence
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional

from unimodal.batching import IGNORED, Batch
from unimodal.layout import stack_ragged
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term, example_of, gather
from unimodal.vocabulary import TokenSpace


@final
class Connectionist(Loss):
    """Connectionist temporal classification (Graves et al. 2006) of a net's encoded entries, per token of the answer.

    The model's readout of the net is taught, which decoding may ask too (`unimodal.scorers.connectionist`); its blank
    is the padding id, which no answer holds. It is for tasks whose answer runs in the order of the input, so they are
    named. An example whose piece is too short for its answer, or whose answer holds other tokens than text, has no
    target. Raises ValueError for a model without such a readout.
    """

    def __init__(self, *, net: str, tasks: Sequence[str]) -> None:
        super().__init__()
        self.net, self.tasks = net, frozenset(tasks)

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        if batch.source is None or output.encoder is None or self.net not in batch.source.pieces:
            return {}
        pieces = batch.source.pieces[self.net]
        examples = example_of(pieces, batch.source)
        answers = _answers(output.written.layout.segments, batch.labels)
        chosen = [
            place
            for place, example in enumerate(examples.tolist())
            if batch.tasks[example] in self.tasks and example in answers
        ]
        if not chosen:
            return {}
        if self.net not in model.readouts:
            raise ValueError(f"objective: the model has no readout of {self.net} for Connectionist to teach")
        answered = [answers[int(examples[place])] for place in chosen]
        targets = stack_ragged(answered, TokenSpace.pad)
        lengths = torch.tensor([len(answer) for answer in answered], device=targets.device)
        heard = gather(output.memories["encoder"].hidden, pieces)[chosen]
        scores = model.read_off(self.net, heard).float().log_softmax(-1)
        known = _known(targets, lengths, pieces.entries[chosen], scores.shape[-1])
        losses = functional.ctc_loss(
            scores.transpose(0, 1),
            targets.masked_fill(~known[:, None], TokenSpace.pad),
            pieces.entries[chosen],
            lengths.masked_fill(~known, 0),
            TokenSpace.pad,
            reduction="none",
        )
        size, places = batch.num_examples, examples[chosen]
        loss = losses.new_zeros(size).index_put((places,), (losses / lengths.clamp_min(1)).where(known, 0.0))
        return {"connectionist": Term(loss, torch.zeros_like(loss, dtype=torch.bool).index_put((places,), known))}


def _known(
    targets: Int[Tensor, "p l"], lengths: Int[Tensor, " p"], entries: Int[Tensor, " p"], num_classes: int
) -> Bool[Tensor, " p"]:
    """Whether an answer can be read off: text alone, and a blank between equal neighbours fits in."""
    inside = torch.arange(targets.shape[1], device=targets.device) < lengths[:, None]
    text = (targets < num_classes).all(1)
    repeats = ((targets[:, 1:] == targets[:, :-1]) & inside[:, 1:]).sum(1)
    return text & (lengths + repeats <= entries)


def _answers(segments: Int[Tensor, "b t"], labels: Int[Tensor, "b t"]) -> dict[int, Int[Tensor, " l"]]:
    """The labels of each example, without the end token."""
    asked = (labels != IGNORED) & (labels != TokenSpace.end)
    found, flat = segments[asked], labels[asked]
    return {example: flat[found == example] for example in found.unique().tolist()}
