"""Models with several outputs: who writes the answers of a task, and whether the task's tag is read at all.

The encoder of such a model reads no tag, so that one encoding serves every output. Prompts come from the processor: the
tag first, then what is read.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.batching import (
    Arrangement,
    Batch,
    Item,
    Packer,
    Piece,
    Run,
    Sequences,
    answer_of,
    begin_rows,
    label_entries,
    lay_out,
    refuse_further_questions,
)
from unimodal.caches.once import Once
from unimodal.hidden import Hidden, Memory
from unimodal.layout import Layout

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

Writers = dict[str | None, Int[Tensor, " r"]]
"""By the net of their answers, the rows that a decoder writes; None: the decoder without a name."""


@final
class OwnDecoders(Arrangement):
    """Each task's answers belong to a net, for which the backbone may have a decoder (`Backbone.decoders`).

    Rows hold examples of one net only. Answers of a net without a decoder are written by the decoder without a name,
    or, where there is none, by nobody: objectives that look at labels and encoders alone can still learn of them.
    """

    def __init__(self, nets: Mapping[str, str]) -> None:
        """`nets`: by task."""
        self.nets = dict(nets)

    def batch(self, items: Sequence[Item], packer: Packer, kinds: Mapping[str, int]) -> Batch:
        refuse_further_questions(items, type(self).__name__)
        sources = [_untagged(item) for item in items]
        answers = [replace(answer_of(item), net=self._net(item.task)) for item in items]
        rows: list[list[int]] = []
        for net in sorted({answer.net for answer in answers}):
            own = [example for example, answer in enumerate(answers) if answer.net == net]
            packed = packer.rows([(sources[example].length, answers[example].positions) for example in own])
            rows += [[own[place] for place in row] for row in packed]
        target = lay_out([Run((answer,)) for answer in answers], rows, kinds)
        labels = label_entries(target, items, [0] * len(items))
        return Batch(lay_out(sources, rows, kinds), target, labels, tuple(item.task for item in items))

    def prompt(
        self, items: Sequence[Item], start: Sequence[Piece], kinds: Mapping[str, int]
    ) -> tuple[Sequences | None, Sequences]:
        first = [replace(piece, net=self._net(item.task)) for item, piece in zip(items, start, strict=True)]
        return _sources(items, kinds), begin_rows(first, kinds)

    def _net(self, task: str) -> str:
        if task not in self.nets:
            raise ValueError(f"arrangement.nets: no net has the answers of {task!r}; known: {', '.join(self.nets)}")
        return self.nets[task]


@final
class TaggedAnswers(Arrangement):
    """One decoder writes every task's answers, and reads the task's tag in front of the start token.

    It also reads, behind the tag, the pieces of the nets `told`: what is asked of a source that is encoded once, in
    training too (`Item.also`).
    """

    def __init__(self, told: Sequence[str] = ()) -> None:
        self.told = frozenset(told)

    def batch(self, items: Sequence[Item], packer: Packer, kinds: Mapping[str, int]) -> Batch:
        questions = [question for item in items for question in (item, *item.also)]
        asked = [self._asked(question) for question in questions]
        targets = [Run((*pieces, answer_of(one))) for pieces, one in zip(asked, questions, strict=True)]
        ends = [*accumulate(1 + len(item.also) for item in items)]
        about = [range(end - 1 - len(item.also), end) for item, end in zip(items, ends, strict=True)]
        sources = {own.start: _untagged(item, self.told) for item, own in zip(items, about, strict=True)}
        written = [sum(targets[question].length for question in own) for own in about]
        rows = packer.rows([*zip((source.length for source in sources.values()), written, strict=True)])
        source = lay_out(sources, [[about[item].start for item in row] for row in rows], kinds)
        target = lay_out(targets, [[question for item in row for question in about[item]] for row in rows], kinds)
        if len(questions) > len(items):
            target = _reading(target, [own.start for own in about for _ in own])
        labels = label_entries(target, questions, [Run(pieces).length for pieces in asked])
        return Batch(source, target, labels, tuple(question.task for question in questions))

    def prompt(
        self, items: Sequence[Item], start: Sequence[Piece], kinds: Mapping[str, int]
    ) -> tuple[Sequences | None, Sequences]:
        runs = [Run((*self._asked(item), piece)) for item, piece in zip(items, start, strict=True)]
        return _sources(items, kinds, self.told), lay_out(runs, [[example] for example in range(len(items))], kinds)

    def stem(self, items: Sequence[Item], kinds: Mapping[str, int]) -> Sequences:
        return begin_rows([item.prompt[0] for item in items], kinds)

    def _asked(self, item: Item) -> tuple[Piece, ...]:
        for question in item.also:
            if untold := [piece.net for piece in question.prompt[1:] if piece.net not in self.told]:
                raise ValueError(f"arrangement.told: a decoder is not told of {untold[0]}, which {question.task} names")
        tag, *read = item.prompt
        return (tag, *(piece for piece in read if piece.net in self.told))


def _untagged(item: Item, told: Collection[str] = ()) -> Run:
    """What the encoder reads."""
    _, *read = item.prompt
    pieces = tuple(piece for piece in read if piece.net not in told)
    if not pieces:
        raise ValueError(f"{item.task}: an example has nothing to read but its task's tag")
    return Run(pieces)


def _reading(target: Sequences, first: Sequence[int]) -> Sequences:
    """Answers that read the source of another example: for each its number."""
    segments = target.layout.segments
    reads = torch.where(segments >= 0, torch.tensor(first)[segments], -1)
    return Sequences(replace(target.layout, reads=reads), target.pieces)


def _sources(items: Sequence[Item], kinds: Mapping[str, int], told: Collection[str] = ()) -> Sequences:
    return lay_out([_untagged(item, told) for item in items], [[example] for example in range(len(items))], kinds)


def writers(model: "UnimodalForConditionalGeneration", target: Layout) -> Writers:
    """Who writes which rows of a batch, by the net of a row's first entry; rows that nobody writes are in none."""
    first = target.kinds[:, 0]
    found: Writers = {net: torch.where(first == model.kinds[net])[0] for net in model.backbone.decoders}
    if model.backbone.decoder is not None:
        named = torch.tensor([model.kinds[net] for net in model.backbone.decoders], device=first.device)
        found[None] = torch.where(torch.isin(first, named, invert=True))[0]
    return {net: rows for net, rows in found.items() if len(rows)}


def only_writer(model: "UnimodalForConditionalGeneration", target: Layout) -> str | None:
    """Who writes all rows of a generation: a key of `Writers`. Raises ValueError where that is nobody, or several."""
    if not model.backbone.decoders:
        return None
    found = writers(model, target)
    if len(found) != 1:
        names = ", ".join(model.backbone.decoders)
        raise ValueError(f"the model has a decoder for each of {names}: answers of one of them are written together")
    return next(iter(found))


def wanted_by(model: "UnimodalForConditionalGeneration", target: Layout) -> set[str] | None:
    """The memories that the decoders of some rows read; None, that is all, where objectives alone look at a row."""
    if not model.backbone.cascade.names:
        return None
    found = writers(model, target)
    if sum(map(len, found.values())) < len(target.valid):
        return None
    return {memory for net in found for memory in model.backbone.writer(net).reads}


def check_single(model: "UnimodalForConditionalGeneration") -> None:
    """Raises ValueError for a model whose output depends on the task, where a caller names none."""
    if model.backbone.decoders:
        names = ", ".join(model.backbone.decoders)
        raise ValueError(f"the model has a decoder for each of {names}: ask it for a task, by `unimodal.load(...).run`")


def write_rows(
    model: "UnimodalForConditionalGeneration",
    target: Sequences,
    memories: Mapping[str, Memory],
    *,
    keep_weights: Collection[str] = (),
) -> Hidden:
    """One teacher-forced pass, each row through the decoder of its answer."""
    if not model.backbone.decoders:
        return model.decode(
            target, memories, Once(target.layout.valid.shape[0], model.device), keep_weights=keep_weights
        )
    embeds, parts = model.embed(target), []
    for net, rows in writers(model, target.layout).items():
        read = {name: memories[name].take(rows) for name in sorted(model.backbone.writer(net).reads)}
        once, layout = Once(len(rows), model.device), target.layout.take(rows)
        hidden = model.backbone.decode(embeds[rows], layout, once, read, keep_weights=keep_weights, net=net)
        parts.append((rows, hidden))
    return Hidden.joined(parts, embeds, target.layout)


def check_outputs(model: "UnimodalForConditionalGeneration") -> None:
    """Raises ValueError, with the place in the config, for decoders, encoders and readouts that do not fit together."""
    backbone, where = model.backbone, "config.spec.backbone"
    backbone.cascade.check(model)
    for net in backbone.decoders:
        if net not in model.kinds:
            raise ValueError(f"{where}.decoders.{net}: the model has no net of that name")
        for memory in sorted(backbone.writer(net).reads - {*backbone.memories}):
            raise ValueError(f"{where}.decoders.{net}: reads the memory {memory}, which no encoder makes")
    for name, memory in sorted(model.readout_memories.items()):
        if memory not in backbone.memories:
            known = ", ".join(backbone.memories)
            raise ValueError(f"config.readout_memories.{name}: the model has no memory {memory} (it has {known})")
        if name not in model.readouts:
            raise ValueError(f"config.readout_memories: the model has no readout {name}")
