"""Several outputs of the same sources, which are encoded once."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

import torch

from unimodal.batching import Item, Sequences, begin_rows, token_piece
from unimodal.decoding.generate import Branches, Prompt
from unimodal.hidden import Memory
from unimodal.outputs import TaggedAnswers

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


def prompts_of_one_source(model: "UnimodalForConditionalGeneration", outputs: Sequence[Sequence[Item]]) -> list[Prompt]:
    """A prompt for each output; `outputs` are the same examples as each task asks about them.

    Raises ValueError where they are not, or where an encoder reads what is asked (`unimodal.outputs` has arrangements
    of encoders that do not).
    """
    sources = [_source(model, items) for items in outputs]
    if not all(_alike(sources[0], source) for source in sources[1:]):
        tasks = ", ".join(items[0].task for items in outputs)
        raise ValueError(f"{tasks}: are read differently, so their sources cannot be encoded once")

    @cache
    def read(model: "UnimodalForConditionalGeneration") -> Mapping[str, Memory]:
        return model.encode(sources[0].to(model.device))[1]

    return [replace(Prompt.of(model, items), read=read) for items in outputs]


def branching_prompt(
    model: "UnimodalForConditionalGeneration", items: Sequence[Item], told: Sequence[Sequence[Sequence[int]]]
) -> Prompt:
    """One prompt for all that is asked of each item: an answer for each row of tokens that its decoder is `told`.

    Answers are in the order of the items, those of one in the order given; all are told equally many tokens. Memories
    and the task's tag stay one for each item. Raises ValueError for a model whose decoder reads no tag.
    """
    if not isinstance(model.arrangement, TaggedAnswers):
        raise ValueError("arrangement: only TaggedAnswers tells a decoder what is asked of what was encoded once")
    source = _source(model, items)
    tags = begin_rows([item.prompt[0] for item in items], model.kinds)
    rows = [row for row, asked in enumerate(told) for _ in asked]
    tokens = [[*each, model.boundaries.start] for asked in told for each in asked]
    width = len(tokens[0]) if tokens else 1
    ids = torch.tensor(tokens, dtype=torch.long).reshape(len(rows), width)
    branches = Branches(torch.tensor(rows, dtype=torch.long), ids)
    return Prompt(lambda model: model.encode_for(source.to(model.device), tags.layout), tags, branches)


def _source(model: "UnimodalForConditionalGeneration", items: Sequence[Item]) -> Sequences:
    start = [token_piece([model.boundaries.start])] * len(items)
    source, _ = model.arrangement.prompt(items, start, model.kinds)
    assert source is not None, "a decoder alone has no source to share"
    return source


def _alike(first: Sequences, second: Sequences) -> bool:
    if first.pieces.keys() != second.pieces.keys():
        return False
    pairs = ((first.pieces[net].arrays, second.pieces[net].arrays) for net in first.pieces)
    return all(torch.equal(one[name], other[name]) for one, other in pairs for name in one)
