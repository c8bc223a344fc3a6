"""Prompt and answer -> batches: the one place where tasks and architectures meet.

A task knows pieces of raw input and an answer; a stack knows rows of positions. An `Arrangement` says which stack reads
what (encoder-decoder, decoder-only, encoder-only), a `Packer` which examples share a row.

b rows, t entries of a row, p pieces, l entries of a piece, e examples
"""

import math
from abc import ABC, abstractmethod
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import NamedTuple, final

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.data.balancing import balanced_rows
from unimodal.layout import Layout, stack_ragged

IGNORED = -100
"""The label of an entry whose next token is not asked for (the value that torch's cross entropy skips)."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One processed input or answer: the net that reads it, its arrays, and how many entries it fills."""

    net: str
    arrays: Mapping[str, Tensor]
    positions: int


@dataclass(frozen=True, eq=False)
class Item:
    """One example after its processors: what is read, what is to be written, and for which task.

    `labels` are the tokens of the answer, end token included; None where the answer is frames (speech).
    `answer` is what a decoder reads while it is taught: the answer shifted by one (tokens: start token first).
    `beside` are arrays [1, ...] that each of its entries is given as well, in training and in decoding (a voice).
    `also` is what is asked besides of the same source, which is encoded once: their prompts are their tags and what a
    decoder is told.
    """

    task: str
    prompt: tuple[Piece, ...]
    answer: Piece | None = None
    labels: Int[Tensor, " l"] | None = None
    beside: Mapping[str, Tensor] = field(default_factory=dict)
    also: tuple["Item", ...] = ()


@dataclass(frozen=True, eq=False)
class Pieces:
    """All pieces of one net in a batch, stacked: arrays [p, ...], and where each piece stands."""

    arrays: Mapping[str, Tensor]
    lengths: Int[Tensor, " p"]
    """Real first dimension of each piece's arrays."""
    entries: Int[Tensor, " p"]
    """Entries that each piece fills."""
    rows: Int[Tensor, " p"]
    starts: Int[Tensor, " p"]

    def to(self, device: torch.device) -> "Pieces":
        moved = {name: value.to(device) for name, value in vars(self).items() if name != "arrays"}
        return Pieces(arrays={name: value.to(device) for name, value in self.arrays.items()}, **moved)

    def places(self, time: int) -> tuple[Tensor, Tensor, Tensor]:
        """(rows, entries, inside): where [p, time] embeddings go; `inside` [p, time] is False past a piece's end."""
        steps = torch.arange(time, device=self.rows.device)[None]
        inside = steps < self.entries[:, None]
        rows = self.rows[:, None].expand_as(inside)
        return rows[inside], (self.starts[:, None] + steps)[inside], inside


@dataclass(frozen=True, eq=False)
class Sequences:
    """Rows of entries before their prenets have run: a layout, and the pieces that fill it, by net."""

    layout: Layout
    pieces: Mapping[str, Pieces]

    def to(self, device: torch.device) -> "Sequences":
        return Sequences(self.layout.to(device), {net: pieces.to(device) for net, pieces in self.pieces.items()})


class Draw(NamedTuple):
    """An example of a task, by its number, as it comes in one round of all examples of the task."""

    task: str
    round: int
    example: int


@dataclass(frozen=True, eq=False)
class Batch:
    """What one training step reads: encoder rows, decoder rows, and the token after each decoder entry.

    An encoder-only batch has no `target`; its labels stand at the source's entries.
    """

    source: Sequences | None
    target: Sequences | None
    labels: Int[Tensor, "b t"]
    tasks: tuple[str, ...] = ()
    """The task of each example, in the order of the layouts' segments."""
    draws: tuple[Draw, ...] = ()
    """Where a training batch's examples come from, in the same order; of those about one source, the first alone."""
    left_out: tuple[Draw, ...] = ()
    """Draws that came before it and are too long for any batch."""
    counted: bool = True
    """False where it is only evaluated so that every process takes as many steps."""
    num_stand_ins: int = 0
    """The last examples of the batch, which count nowhere: with them every net runs, as all processes have to agree."""

    def to(self, device: torch.device) -> "Batch":
        """The same batch on another device."""
        return replace(
            self,
            source=None if self.source is None else self.source.to(device),
            target=None if self.target is None else self.target.to(device),
            labels=self.labels.to(device),
        )

    @property
    def num_examples(self) -> int:
        """With those that stand in."""
        return len(self.tasks)

    @property
    def num_entries(self) -> int:
        """Real entries of examples that count, encoder and decoder together."""
        counted = self.num_examples - self.num_stand_ins
        segments = (part.layout.segments for part in (self.source, self.target) if part is not None)
        return sum(int(((numbers >= 0) & (numbers < counted)).sum()) for numbers in segments)

    @property
    def num_places(self) -> int:
        """Entries with their padding, encoder and decoder together."""
        return sum(part.layout.valid.numel() for part in (self.source, self.target) if part is not None)


def token_piece(ids: Sequence[int] | Tensor, net: str = "text") -> Piece:
    """Token ids as a piece of the text net."""
    tensor = torch.as_tensor(ids, dtype=torch.long)
    return Piece(net, {"ids": tensor}, tensor.shape[0])


@dataclass(frozen=True, eq=False)
class Run:
    """The pieces of one example on one side, one after the other; `prompt` counts the entries that are its prompt."""

    pieces: tuple[Piece, ...]
    prompt: int = 0

    @property
    def length(self) -> int:
        return sum(piece.positions for piece in self.pieces)


class Packer(ABC):
    """Which examples share a row. Law: a packed batch gives every example what it gets alone."""

    @abstractmethod
    def rows(self, lengths: Sequence[tuple[int, int]]) -> list[list[int]]:
        """Rows of example numbers, each example once, from their (source, target) lengths."""


@final
class Padded(Packer):
    """One example a row, padded to the longest."""

    def rows(self, lengths: Sequence[tuple[int, int]]) -> list[list[int]]:
        return [[example] for example in range(len(lengths))]


@final
class Packed(Packer):
    """As many rows of about `source` and `target` entries as leave a share of `real` entries, counted on both sides.

    A row is as long as the longest example where none of `source` and `target` entries is that long. Where the examples
    do not fill as many rows so well, rows are fewer and longer: padding costs every layer, a longer row its attention
    alone.
    """

    def __init__(self, *, source: int, target: int, real: float = 0.95) -> None:
        if not 0 <= real <= 1:
            raise ValueError(f"real: expected a share from 0 to 1, got {real}")
        self.source, self.target, self.real = source, target, real

    def rows(self, lengths: Sequence[tuple[int, int]]) -> list[list[int]]:
        sources, targets = zip(*lengths, strict=True)
        filled = max(sum(sources) / max(1, self.source, *sources), sum(targets) / max(1, self.target, *targets))
        num_rows = min(len(lengths), max(1, math.ceil(filled)))
        while (rows := balanced_rows(lengths, num_rows, enough=self.real)) is None:
            num_rows -= max(1, num_rows // 8)
        return rows


def lay_out(
    runs: Sequence[Run] | Mapping[int, Run], rows: Sequence[Sequence[int]], kinds: Mapping[str, int]
) -> Sequences:
    """Rows of examples -> their layout and stacked pieces. Positions and cache slots count inside each example."""
    lengths = [sum(runs[example].length for example in row) for row in rows]
    shape = (len(rows), max(lengths, default=0))
    positions, kind, prefix = (torch.zeros(shape, dtype=torch.long) for _ in range(3))
    segments = torch.full(shape, -1)
    placed: dict[str, list[tuple[Piece, int, int]]] = defaultdict(list)
    for row, examples in enumerate(rows):
        entry = 0
        for example in examples:
            run = runs[example]
            span = slice(entry, entry + run.length)
            positions[row, span] = torch.arange(run.length)
            segments[row, span] = example
            prefix[row, span] = run.prompt
            for piece in run.pieces:
                kind[row, entry : entry + piece.positions] = kinds[piece.net]
                placed[piece.net].append((piece, row, entry))
                entry += piece.positions
    if len({len(row) for row in rows}) == 1 and len(rows[0]) == 1:
        positions = torch.arange(shape[1])[None]  # the same in every row: what depends on positions is computed once
    layout = Layout(
        positions=positions,
        valid=segments >= 0,
        index=torch.arange(shape[1])[None],
        segments=segments,
        kinds=kind,
        base=torch.zeros(len(rows), dtype=torch.long),
        prefix=prefix,
    )
    return Sequences(layout, {net: _stack(placed[net]) for net in sorted(placed)})


def _stack(placed: Sequence[tuple[Piece, int, int]]) -> Pieces:
    pieces = [piece for piece, _, _ in placed]
    arrays = {name: stack_ragged([piece.arrays[name] for piece in pieces]) for name in pieces[0].arrays}
    return Pieces(
        arrays=arrays,
        lengths=torch.tensor([max(array.shape[0] for array in piece.arrays.values()) for piece in pieces]),
        entries=torch.tensor([piece.positions for piece in pieces]),
        rows=torch.tensor([row for _, row, _ in placed]),
        starts=torch.tensor([start for _, _, start in placed]),
    )


class Arrangement(ABC):
    """Which stack reads what. `kinds` numbers the nets, as the model's spec orders them."""

    @abstractmethod
    def batch(self, items: Sequence[Item], packer: Packer, kinds: Mapping[str, int]) -> Batch:
        """Examples with their answers, for training."""

    @abstractmethod
    def prompt(
        self, items: Sequence[Item], start: Sequence[Piece], kinds: Mapping[str, int]
    ) -> tuple[Sequences | None, Sequences]:
        """Examples without answers, one a row: (encoder rows, decoder rows that end in `start`, one piece a row)."""

    def stem(self, items: Sequence[Item], kinds: Mapping[str, int]) -> Sequences:
        """What decoder rows have in common that are asked several things about one source; each is then told its own.

        Raises ValueError where what is asked belongs to the source.
        """
        raise ValueError(f"arrangement: {type(self).__name__} tells a decoder nothing of a source that is encoded once")


def refuse_further_questions(items: Sequence[Item], arrangement: str) -> None:
    """Raises ValueError for an example of which several things are asked, where each question is part of the source."""
    for item in items:
        if item.also:
            raise ValueError(f"arrangement: {arrangement} cannot ask {item.task} several things of one source")


def label_entries(target: Sequences, items: Sequence[Item], offsets: Sequence[int]) -> Int[Tensor, "b t"]:
    """The next token at each entry; `offsets[e]` is the entry of example e at which its first label stands."""
    segments, labels = target.layout.segments, torch.full(tuple(target.layout.segments.shape), IGNORED)
    for example, (item, offset) in enumerate(zip(items, offsets, strict=True)):
        if item.labels is not None:
            row, entries = torch.where(segments == example)
            window = entries[offset : offset + item.labels.shape[0]]
            labels[row[0], window] = item.labels
    return labels


def answer_of(item: Item) -> Piece:
    """What a decoder reads while it learns the answer of an example."""
    assert item.answer is not None, f"an example of task {item.task} has no answer to learn"
    return replace(item.answer, arrays={**item.answer.arrays, **item.beside}) if item.beside else item.answer


def begin_rows(start: Sequence[Piece], kinds: Mapping[str, int]) -> Sequences:
    """What decoders read first, a row each."""
    return lay_out([Run((piece,)) for piece in start], [[row] for row in range(len(start))], kinds)


@final
class EncoderDecoder(Arrangement):
    """The encoder reads the prompt, the decoder writes the answer."""

    def batch(self, items: Sequence[Item], packer: Packer, kinds: Mapping[str, int]) -> Batch:
        refuse_further_questions(items, type(self).__name__)
        sources = [Run(item.prompt) for item in items]
        targets = [Run((answer_of(item),)) for item in items]
        rows = packer.rows([(source.length, target.length) for source, target in zip(sources, targets, strict=True)])
        target = lay_out(targets, rows, kinds)
        labels = label_entries(target, items, [0] * len(items))
        return Batch(lay_out(sources, rows, kinds), target, labels, tuple(item.task for item in items))

    def prompt(
        self, items: Sequence[Item], start: Sequence[Piece], kinds: Mapping[str, int]
    ) -> tuple[Sequences | None, Sequences]:
        rows = [[example] for example in range(len(items))]
        return lay_out([Run(item.prompt) for item in items], rows, kinds), begin_rows(start, kinds)


@final
class DecoderOnly(Arrangement):
    """One stack reads the prompt and goes on with the answer: causal, or a prefix model under a Prefix mask."""

    def batch(self, items: Sequence[Item], packer: Packer, kinds: Mapping[str, int]) -> Batch:
        refuse_further_questions(items, type(self).__name__)
        prompts = [Run(item.prompt).length for item in items]
        runs = [Run((*item.prompt, answer_of(item)), length) for item, length in zip(items, prompts, strict=True)]
        target = lay_out(runs, packer.rows([(0, run.length) for run in runs]), kinds)
        return Batch(None, target, label_entries(target, items, prompts), tuple(item.task for item in items))

    def prompt(
        self, items: Sequence[Item], start: Sequence[Piece], kinds: Mapping[str, int]
    ) -> tuple[Sequences | None, Sequences]:
        rows = [[example] for example in range(len(items))]
        runs = [Run((*item.prompt, piece), Run(item.prompt).length) for item, piece in zip(items, start, strict=True)]
        return None, lay_out(runs, rows, kinds)


@final
class EncoderOnly(Arrangement):
    """The encoder reads the prompt, and a label stands at each of its last entries (masked or tagged tokens)."""

    def batch(self, items: Sequence[Item], packer: Packer, kinds: Mapping[str, int]) -> Batch:
        refuse_further_questions(items, type(self).__name__)
        runs = [Run(item.prompt) for item in items]
        source = lay_out(runs, packer.rows([(run.length, 0) for run in runs]), kinds)
        offsets = [
            run.length - (0 if item.labels is None else item.labels.shape[0])
            for run, item in zip(runs, items, strict=True)
        ]
        return Batch(source, None, label_entries(source, items, offsets), tuple(item.task for item in items))

    def prompt(
        self, items: Sequence[Item], start: Sequence[Piece], kinds: Mapping[str, int]
    ) -> tuple[Sequences | None, Sequences]:
        raise ValueError("an encoder-only model does not generate: give it a decoder, or ask for its hidden states")
