"""Several outputs of the same sources, which are encoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, final

import torch

from unimodal.batching import Item, Sequences, token_piece
from unimodal.decoding.generate import Branches, Prompt
from unimodal.hidden import Memory

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@final
class SharedSource:
    """What some examples read, encoded when it is first needed; every prompt about it uses that."""

    def __init__(self, model: "UnimodalForConditionalGeneration", items: Sequence[Item]) -> None:
        self._model, self._task, self._source = model, items[0].task, self._read(model, items)

    def prompt(self, items: Sequence[Item]) -> Prompt:
        """The same examples, as a task asks about them.

        Raises ValueError where they are not, or where an encoder reads what is asked (`unimodal.outputs` has
        arrangements of encoders that do not).
        """
        if not _alike(self._source, self._read(self._model, items)):
            tasks = f"{self._task}, {items[0].task}"
            raise ValueError(f"{tasks}: are read differently, so their sources cannot be encoded once")
        return replace(Prompt.of(self._model, items), read=lambda model: self._memories)

    def branches(self, items: Sequence[Item], told: Sequence[Sequence[Sequence[int]]]) -> Prompt:
        """All that a task asks of each example: an answer for each row of tokens that its decoder is `told`.

        Answers are in the order of the items, those of one in the order given; all are told equally many tokens.
        Memories and the task's tag stay one for each item. Raises ValueError for a model whose decoder reads no tag.
        """
        model = self._model
        tags = model.arrangement.stem(items, model.kinds)
        rows = [row for row, asked in enumerate(told) for _ in asked]
        tokens = [[*each, model.boundaries.start] for asked in told for each in asked]
        ids = torch.tensor(tokens, dtype=torch.long).reshape(len(rows), len(tokens[0]) if tokens else 1)
        return Prompt(lambda model: self._memories, tags, Branches(torch.tensor(rows, dtype=torch.long), ids))

    @cached_property
    def _memories(self) -> Mapping[str, Memory]:
        return self._model.encode(self._source.to(self._model.device))[1]

    @staticmethod
    def _read(model: "UnimodalForConditionalGeneration", items: Sequence[Item]) -> Sequences:
        start = [token_piece([model.boundaries.start])] * len(items)
        source, _ = model.arrangement.prompt(items, start, model.kinds)
        assert source is not None, "a decoder alone has no source to share"
        return source


def _alike(first: Sequences, second: Sequences) -> bool:
    if first.pieces.keys() != second.pieces.keys():
        return False
    pairs = ((first.pieces[net].arrays, second.pieces[net].arrays) for net in first.pieces)
    return all(torch.equal(one[name], other[name]) for one, other in pairs for name in one)
