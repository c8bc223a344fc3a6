"""Another objective, of a pass that is not shown random spans of its input."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import final

import torch

from unimodal.batching import Batch
from unimodal.hidden import Memory
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term, example_of
from unimodal.spans import draw_spans


@final
class HiddenSpans(Objective):
    """Hides spans of a net's entries from the model, for the named tasks, and is otherwise the objective it is given.

    The net's pieces get an array `hidden` [p, l], by which its pre-net puts one learned vector in the place of entries;
    all other arrays stay clean, so what is made of them was never hidden. HuBERT (Hsu et al. 2021, arXiv:2106.07447)
    and SpeechT5 (Ao et al. 2022, arXiv:2110.07205) begin spans of 10 entries of 20 ms at 0.08 of them, which is a
    `share` of 0.8; here an entry of the speech pre-net is 40 ms, so a span is 5. Evaluation hides as training does.
    """

    def __init__(
        self,
        objective: Objective,
        *,
        net: str,
        tasks: Sequence[str],
        share: float = 0.8,
        span: int = 5,
        least: int = 1,
    ) -> None:
        super().__init__()
        if not 0 <= share <= 1 or span < 1 or least < 0:
            raise ValueError("share, span, least: expected a share from 0 to 1, at least 1 entry, and from 0 up")
        self.objective, self.net, self.tasks = objective, net, frozenset(tasks)
        self.share, self.span, self.least = share, span, least

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return self.objective.needs_weights(batch)

    def prepare(self, batch: Batch) -> Batch:
        batch = self.objective.prepare(batch)
        if batch.source is None or self.net not in batch.source.pieces:
            return batch
        pieces = batch.source.pieces[self.net]
        longest = int(pieces.entries.max())
        hidden = draw_spans(pieces.entries, longest, share=self.share, span=self.span, least=self.least)
        tasks = [batch.tasks[example] for example in example_of(pieces, batch.source).tolist()]
        hides = torch.tensor([task in self.tasks for task in tasks], device=hidden.device)
        pieces = replace(pieces, arrays={**pieces.arrays, "hidden": hidden & hides[:, None]})
        return replace(batch, source=replace(batch.source, pieces={**batch.source.pieces, self.net: pieces}))

    def offer(self, memories: Mapping[str, Memory], batch: Batch) -> Mapping[str, Memory]:
        return self.objective.offer(memories, batch)

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        return self.objective.terms(model, output, batch)
