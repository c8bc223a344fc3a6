"""What a readout says of the entries of a net, beside the answers that it should be read off.

p pieces, l entries of a piece, c classes of a readout, e examples
"""

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.batching import IGNORED, Batch, Pieces
from unimodal.hidden import Memory
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Term, example_of, gather
from unimodal.vocabulary import TokenSpace


@final
@dataclass(frozen=True)
class Ear:
    """Which entries are read, by which readout, and for which tasks' answers.

    `readout` is by default that of the net's own name. `block`: the readout is lent what its memory would be if its
    encoder ended there (counted from 1), as intermediate losses do (Lee and Watanabe 2021, 2102.03216).
    """

    net: str
    tasks: frozenset[str]
    readout: str | None = None
    block: int | None = None

    @property
    def name(self) -> str:
        """The readout's."""
        return self.net if self.readout is None else self.readout

    @property
    def suffix(self) -> str:
        """What tells its losses from those of another ear."""
        return ("" if self.readout is None else f".{self.readout}") + ("" if self.block is None else f".{self.block}")

    def hear(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> "Heard | None":
        """None where no example of the batch is one of its tasks. Raises ValueError for what the model lacks."""
        if batch.source is None or not output.encoders or self.net not in batch.source.pieces:
            return None
        pieces = batch.source.pieces[self.net]
        examples = example_of(pieces, batch.source)
        answers = _answers(output.written.layout.segments, batch.labels)
        chosen = [
            place
            for place, example in enumerate(examples.tolist())
            if batch.tasks[example] in self.tasks and example in answers
        ]
        if not chosen:
            return None
        if self.name not in model.readouts:
            raise ValueError(f"objective: the model has no readout of {self.name} to teach")
        entries = self._entries(model, output, pieces)
        scores = model.read_off(self.name, gather(entries, pieces)[chosen])
        answered = [answers[int(examples[place])] for place in chosen]
        return Heard(scores.float().log_softmax(-1), pieces.entries[chosen], answered, examples[chosen])

    def _entries(
        self, model: UnimodalForConditionalGeneration, output: Output, pieces: Pieces
    ) -> Float[Tensor, "b s d"]:
        name = model.readout_memory(self.name)
        if name not in output.memories:
            raise ValueError(f"objective: {self.name} is read off the memory {name}, which no decoder here reads")
        memory = output.memories[name]
        _check_places(memory, pieces, model.kinds[self.net], name)
        if self.block is None:
            return memory.hidden
        hidden = output.encoders[name]
        if not 0 < self.block < len(hidden.layers):
            raise ValueError(f"objective: block {self.block}: the encoder of {name} has {len(hidden.layers) - 1}")
        return model.backbone.memory_after(name, hidden, self.block)


@final
@dataclass(frozen=True, eq=False)
class Heard:
    """The chosen pieces: what is heard in them, and what should be."""

    logs: Float[Tensor, "p l c"]
    entries: Int[Tensor, " p"]
    answers: list[Int[Tensor, " _"]]
    """Without the end token."""
    examples: Int[Tensor, " p"]

    def term(self, losses: Float[Tensor, " p"], known: Tensor, num_examples: int) -> Term:
        """A loss of each piece as one of each example; `known`: the pieces that have it."""
        loss = losses.new_zeros(num_examples).index_put((self.examples,), losses.where(known, 0.0))
        return Term(loss, torch.zeros_like(loss, dtype=torch.bool).index_put((self.examples,), known))


def ear(net: str, tasks: Collection[str], readout: str | None, block: int | None) -> Ear:
    """As a config says it. Raises ValueError for a block that none can be."""
    if block is not None and block < 1:
        raise ValueError(f"block: blocks are counted from 1, got {block}")
    return Ear(net, frozenset(tasks), readout, block)


def _check_places(memory: Memory, pieces: Pieces, kind: int, name: str) -> None:
    """A memory that is no longer entry by entry what was read cannot be read off piece by piece."""
    kinds, last = memory.layout.kinds, pieces.starts + pieces.entries - 1
    if int(last.max()) >= kinds.shape[1] or not bool((kinds[pieces.rows, last] == kind).all()):
        raise ValueError(f"objective: the memory {name} does not hold the entries of the net where they were read")


def _answers(segments: Int[Tensor, "b t"], labels: Int[Tensor, "b t"]) -> dict[int, Int[Tensor, " l"]]:
    """The labels of each example, without the end token."""
    asked = (labels != IGNORED) & (labels != TokenSpace.end)
    found, flat = segments[asked], labels[asked]
    return {example: flat[found == example] for example in found.unique().tolist()}
