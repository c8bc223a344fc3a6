"""Another objective, of a pass whose decoder reads codes in the place of some of the encoder's entries.

b rows, s entries of a row, e examples, n entries
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.batching import Batch
from unimodal.hidden import Memory
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term
from unimodal.quantizers import Quantizer


@final
class SharedCodes(Objective):
    """Puts a quantizer's entries in the place of `share` of each example's encoded entries, drawn anew in each pass.

    The same entries serve speech and text, so that a decoder has to take either for the other (SpeechT5, Ao et al.
    2022, arXiv:2110.07205). Exactly floor(share x entries) of an example's change, in evaluation too, where the
    likeliest entry stands. Losses on the encoder see it unchanged. `codes.unevenness` counts `weight` times. The
    quantizer belongs to the objective: the model's folder has none of it.
    """

    def __init__(
        self,
        objective: Objective,
        dim: int,
        *,
        quantizer: Callable[[int], Quantizer],
        tasks: Sequence[str],
        share: float = 0.1,
        weight: float = 0.1,
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1:
            raise ValueError(f"share: expected a share of the entries, from 0 to 1, got {share}")
        self.objective, self.quantizer, self.tasks = objective, quantizer(dim), frozenset(tasks)
        self.share, self.weight = share, weight

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return self.objective.needs_weights(batch)

    def prepare(self, batch: Batch) -> Batch:
        return self.objective.prepare(batch)

    def offer(self, memories: Mapping[str, Memory], batch: Batch) -> Mapping[str, Memory]:
        memories = self.objective.offer(memories, batch)
        memory = memories["encoder"]
        rows, entries = self._drawn(memory.layout.segments, batch)
        if not len(rows):
            return memories
        coded = self.quantizer(memory.hidden[rows, entries]).to(memory.hidden.dtype)
        mixed = memory.hidden.index_put((rows, entries), coded)
        return {**memories, "encoder": replace(memory, hidden=mixed)}

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        terms = self.objective.terms(model, output, batch)
        if not output.memories:
            return terms
        memory, chosen = output.memories["encoder"], self._chosen(batch)
        if not chosen.any():
            return terms
        states = memory.hidden[memory.mask & chosen[memory.layout.segments.clamp_min(0)]]
        loss = self.quantizer.unevenness(states) * chosen
        return {**terms, "codes.unevenness": Term(loss, chosen, self.weight, of_batch=True)}

    def _chosen(self, batch: Batch) -> Bool[Tensor, " e"]:
        return torch.tensor([task in self.tasks for task in batch.tasks], device=batch.labels.device)

    def _drawn(self, segments: Int[Tensor, "b s"], batch: Batch) -> tuple[Int[Tensor, " n"], Int[Tensor, " n"]]:
        """Rows and entries that change: the first ones of each example in a random order."""
        rows, entries = torch.where(segments >= 0)
        examples = segments[rows, entries]
        order = torch.rand(len(examples), device=segments.device).argsort()
        order = order[examples[order].argsort(stable=True)]
        lengths = torch.bincount(examples, minlength=batch.num_examples)
        numbers = torch.arange(len(order), device=segments.device) - (lengths.cumsum(0) - lengths)[examples[order]]
        change = (self.share * lengths.double()).floor() * self._chosen(batch)
        order = order[numbers < change[examples[order]]]
        return rows[order], entries[order]
