"""Objectives: what a training step minimises. The only thing in which two kinds of training differ.

e examples of a batch, n entries, t entries of a row, d width
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from unimodal.batching import Batch, Pieces, Sequences
from unimodal.hidden import Memory
from unimodal.model import Output, UnimodalForConditionalGeneration


@dataclass(frozen=True, eq=False)
class Term:
    """One loss of every example, and which of them have it; the others' losses are 0 and count nowhere."""

    loss: Float[Tensor, " e"]
    has_target: Bool[Tensor, " e"]
    weight: float = 1.0
    of_batch: bool = False
    """Whether it is a statistic of the whole batch, the same for each of its examples."""

    def mean(self) -> Float[Tensor, ""]:
        """Over the examples that have the loss; 0 where none has."""
        return (self.loss * self.has_target).sum() / self.has_target.sum().clamp_min(1)


class Objective(nn.Module, ABC):
    """Named losses of one pass. Heads that only help learning are its own parameters: no model's folder has them.

    The builder gives `dim` (the model's width) and `space` (its vocabulary) to constructors that ask for them.
    Laws: the terms of a packed batch equal those of the padded one; an example without a target gets no gradient.
    """

    @abstractmethod
    def prepare(self, batch: Batch) -> Batch:
        """The batch as the model is shown it; what is drawn for that comes from torch's random state."""

    @abstractmethod
    def needs_weights(self, batch: Batch) -> Collection[str]:
        """The attentions, `self` or a memory, whose weights the pass over this batch has to keep, which costs time."""

    @abstractmethod
    def offer(self, memories: Mapping[str, Memory], batch: Batch) -> Mapping[str, Memory]:
        """What decoders are given to read in the place of the encoded memories."""

    @abstractmethod
    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        """The losses by name; a name may be missing where no example of the batch has that loss."""


class Loss(Objective, ABC):
    """An objective that looks at a pass and leaves it as it is."""

    @final
    def prepare(self, batch: Batch) -> Batch:
        return batch

    @final
    def offer(self, memories: Mapping[str, Memory], batch: Batch) -> Mapping[str, Memory]:
        return memories


def learn(model: UnimodalForConditionalGeneration, objective: Objective, batch: Batch) -> dict[str, Term]:
    """The losses of one pass over a batch."""
    batch = objective.prepare(batch)
    output = model.run_batch(batch, keep_weights=objective.needs_weights(batch), offer=objective.offer)
    return objective.terms(model, output, batch)


def total(terms: Mapping[str, Term]) -> Float[Tensor, ""]:
    """What is minimised: the terms' means, weighted."""
    assert terms, "an objective without terms"
    return torch.stack([term.weight * term.mean() for term in terms.values()]).sum()


def mean_by_example(values: Float[Tensor, " n"], examples: Int[Tensor, " n"], num_examples: int) -> Term:
    """Values of single entries -> the mean of each example."""
    sums = values.new_zeros(num_examples).index_add(0, examples, values)
    counts = values.new_zeros(num_examples).index_add(0, examples, torch.ones_like(values))
    return Term(sums / counts.clamp_min(1), counts > 0)


def gather(hidden: Float[Tensor, "b t d"], pieces: Pieces) -> Float[Tensor, "p l d"]:
    """The hidden states of some pieces, padded with zeros at the end."""
    rows, entries, inside = pieces.places(int(pieces.entries.max()))
    gathered = hidden.new_zeros(*inside.shape, hidden.shape[-1])
    return gathered.index_put((inside,), hidden[rows, entries])


def example_of(pieces: Pieces, sequences: Sequences) -> Int[Tensor, " p"]:
    """The example that each piece belongs to."""
    return sequences.layout.segments[pieces.rows, pieces.starts]
