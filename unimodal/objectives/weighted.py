"""Several objectives at once."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import final

from torch import nn

from unimodal.batching import Batch
from unimodal.hidden import Memory
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Objective, Term


@final
class Weighted(Objective):
    """The terms of named objectives; `weights` by those names, 1 where one is not named."""

    def __init__(self, objectives: Mapping[str, Objective], *, weights: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.weights = dict(weights or {})
        if unknown := sorted(set(self.weights) - set(objectives)):
            raise ValueError(f"weights: there is no objective named {', '.join(unknown)}")
        self.objectives = nn.ModuleDict(dict(objectives))

    def prepare(self, batch: Batch) -> Batch:
        for objective in self._named().values():
            batch = objective.prepare(batch)
        return batch

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return {name for objective in self._named().values() for name in objective.needs_weights(batch)}

    def offer(self, memories: Mapping[str, Memory], batch: Batch) -> Mapping[str, Memory]:
        for objective in self._named().values():
            memories = objective.offer(memories, batch)
        return memories

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        terms: dict[str, Term] = {}
        for name, objective in self._named().items():
            for term_name, term in objective.terms(model, output, batch).items():
                assert term_name not in terms, f"two objectives give a term {term_name}"
                terms[term_name] = replace(term, weight=term.weight * self.weights.get(name, 1.0))
        return terms

    def _named(self) -> dict[str, Objective]:
        return dict(self.objectives.items())  # type: ignore[arg-type]
