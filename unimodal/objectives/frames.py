"""Frames: the losses of the post-nets whose modality is written step by step."""

from collections.abc import Collection
from typing import final

from unimodal.batching import Batch
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term, example_of, gather, mean_by_example


@final
class Frames(Loss):
    """The losses that each post-net names, over the pieces that it has to write: `frames.before`, `frames.stop` ..."""

    def __init__(self) -> None:
        super().__init__()

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        if batch.target is None:
            return terms
        for net in model.postnets:
            if net in batch.target.pieces:
                pieces = batch.target.pieces[net]
                hidden = gather(output.written.last, pieces)
                examples = example_of(pieces, batch.target)
                for name, losses in model.postnet(net).loss(hidden, pieces.arrays, pieces.entries).items():
                    terms[f"{net}.{name}"] = mean_by_example(losses, examples, batch.num_examples)
        return terms
