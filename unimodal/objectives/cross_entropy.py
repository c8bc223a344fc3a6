"""Tokens: the next one's cross entropy."""

from collections.abc import Collection
from typing import final

from unimodal.batching import IGNORED, Batch
from unimodal.losses import token_losses
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term, mean_by_example


@final
class CrossEntropy(Loss):
    """Mean over the tokens of each answer, in nats; logits are made at labelled entries alone.

    `smoothing` of the target's probability goes to all tokens alike (Szegedy et al. 2016, 1512.00567).
    """

    def __init__(self, *, smoothing: float = 0.0) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ValueError(f"smoothing: expected a share from 0 to below 1, got {smoothing}")
        self.smoothing = smoothing

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        labelled = batch.labels != IGNORED
        logits = model.logits(output.written.last[labelled])
        losses = token_losses(logits, batch.labels[labelled], smoothing=self.smoothing)
        examples = output.written.layout.segments[labelled]
        return {"cross_entropy": mean_by_example(losses, examples, batch.num_examples)}
