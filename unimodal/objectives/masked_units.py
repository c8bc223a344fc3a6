"""The unit of what was hidden: an encoder learns to hear what it is not shown.

n hidden entries, w width of a unit's vector
"""

from collections.abc import Collection
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from unimodal.batching import Batch
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term, example_of, gather, mean_by_example
from unimodal.units import Units


@final
class MaskedUnits(Loss):
    """Cross entropy of the units of a net's hidden entries (HuBERT, Hsu et al. 2021, arXiv:2106.07447), in nats.

    An encoded entry is mapped to `width` values; the score of a unit is the cosine with its vector over `temperature`.
    Units are made of the clean arrays: what is hidden, the array `hidden` says (`unimodal.objectives.hidden_spans`),
    and a piece with nothing hidden has no target.
    """

    def __init__(self, dim: int, *, net: str, units: Units, width: int = 256, temperature: float = 0.1) -> None:
        super().__init__()
        self.net, self.units, self.temperature = net, units, temperature
        self.project = nn.Linear(dim, width)
        self.table = nn.Embedding(units.number, width)

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        pieces = None if batch.source is None else batch.source.pieces.get(self.net)
        if batch.source is None or pieces is None or output.encoder is None or "hidden" not in pieces.arrays:
            return {}
        encoded = gather(output.encoder.last, pieces)
        places, entries = torch.where(pieces.arrays["hidden"][:, : encoded.shape[1]])
        losses = functional.cross_entropy(
            self._scores(encoded[places, entries]), self.units(pieces)[places, entries], reduction="none"
        )
        examples = example_of(pieces, batch.source)[places]
        return {"masked_units": mean_by_example(losses, examples, batch.num_examples)}

    def _scores(self, encoded: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        guesses = functional.normalize(self.project(encoded).float(), dim=-1)
        return guesses @ functional.normalize(self.table.weight.float(), dim=-1).T / self.temperature
