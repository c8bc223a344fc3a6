"""A larger vocabulary for a trained model: characters and tasks that it does not have yet, behind those that it has.

v ids before, w ids after, d width
"""

import copy
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from unimodal.model import UnimodalForConditionalGeneration
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

FEWEST = 2
"""Times that a character must be there: one that is seen once is not learned, and bytes can spell it."""
MOST = 8_000
"""New characters at most, the most frequent ones: a language with more writes the others in bytes."""


def missing_characters(pieces: TextPieces, texts: Iterable[str]) -> list[str]:
    """Characters that the pieces can only spell in bytes, the most frequent first."""
    counts = Counter(character for text in texts for character in text)
    found = [
        (-count, character)
        for character, count in counts.items()
        if count >= FEWEST and character.isprintable() and len(pieces.encode(character)) > 1
    ]
    return [character for _, character in sorted(found)[:MOST]]


def extended(vocabulary: Vocabulary, characters: Sequence[str], tasks: Sequence[str]) -> Vocabulary:
    """A vocabulary with more characters and tasks; whatever it could write before, it writes with the same pieces."""
    pieces = vocabulary.pieces.extended(characters) if characters else vocabulary.pieces
    return Vocabulary(vocabulary.space.extended(len(characters), tasks), pieces)


def places(old: TokenSpace, new: TokenSpace) -> list[int | None]:
    """For each id of `new`, that of the same item in `old`; None for what is added.

    Raises ValueError where `new` lacks something, or calls something else by the same id of a kind.
    """
    found: list[int | None] = [None] * len(new)
    for kind in old.kinds:
        if kind not in new.kinds or new.size(kind) < old.size(kind):
            raise ValueError(f"vocabulary: has fewer ids of the kind '{kind}' than the model's own")
        for index in range(old.size(kind)):
            before, after = old.id(kind, index), new.id(kind, index)
            if old.name(before) != new.name(after):
                raise ValueError(f"vocabulary: has '{new.name(after)}' where the model has '{old.name(before)}'")
            found[after] = before
    return found


def check_pieces(old: TextPieces, new: TextPieces) -> None:
    """Raises ValueError where text pieces are not those of `old` with more behind them."""
    if len(new) < len(old) or any(old.bytes_of(id) != new.bytes_of(id) for id in range(len(old))):
        raise ValueError("text pieces: are not those of the model with more behind them; another model's?")


def added_rows(old: TokenSpace, new: TokenSpace) -> list[int]:
    """The ids of `new` that `old` does not have."""
    return [id for id, before in enumerate(places(old, new)) if before is None]


def likenesses(vocabulary: Vocabulary, added: Iterable[int], tasks: Mapping[str, str]) -> dict[int, int]:
    """By added id, the id that it begins as: a letter with a sign as the letter, a task as the one it comes from."""
    space, pieces = vocabulary.space, vocabulary.pieces
    found: dict[int, int] = {}
    for id in added:
        if space.kind(id) == "text":
            letter = unicodedata.normalize("NFD", pieces.bytes_of(id).decode())[0]
            (*others, plain) = pieces.encode(letter)
            if not others and plain != id:
                found[id] = plain
        elif space.kind(id) == "task" and space.name(id) in tasks:
            found[id] = space.id("task", tasks[space.name(id)])
    return found


def extend(
    model: UnimodalForConditionalGeneration, space: TokenSpace, begins_as: Mapping[int, int] | None = None
) -> UnimodalForConditionalGeneration:
    """The model over a larger token space: the same scores for every id that it had.

    Every tensor with a row for each id gets rows for those that are added. A new row begins as that of another id, or
    as the mean of the text's. The config says the new space, so the model can be saved as any other.
    """
    old, found = model.vocabulary, places(model.vocabulary, space)
    config: Any = copy.deepcopy(model.config)
    spec = copy.deepcopy(model.config.spec or {})
    kind = f"{TokenSpace.__module__}.{TokenSpace.__qualname__}"
    spec["vocabulary"] = {"class": kind, "ranges": space.ranges, "ordered": [*old.ordered]}
    config.spec = spec
    larger: UnimodalForConditionalGeneration = UnimodalForConditionalGeneration(config)
    larger.to(dtype=model.dtype, device=model.device)  # type: ignore[call-arg]  # as transformers declares it
    state, shapes = model.state_dict(), {name: value.shape for name, value in larger.state_dict().items()}
    sources = dict(begins_as or {})
    rows = torch.tensor([_source(id, found, sources) for id in range(len(space))], device=model.device)
    text = slice(old.ids("text").start, old.ids("text").stop)
    larger.load_state_dict(
        {  # readouts have rows for the text alone, the first ids
            name: value if value.shape == shapes[name] else _grown(value, rows[: shapes[name][0]], text)
            for name, value in state.items()
        }
    )
    larger.train(model.training)
    return larger


def _source(id: int, found: Sequence[int | None], begins_as: Mapping[int, int]) -> int:
    """The old id whose row a new id gets; -1 for none."""
    seen = {id}
    while found[id] is None and id in begins_as and begins_as[id] not in seen:
        id = begins_as[id]
        seen.add(id)
    before = found[id]
    return -1 if before is None else before


def _grown(value: Tensor, rows: Tensor, text: slice) -> Tensor:
    """[v, ...] -> [w, ...]."""
    mean = value[text].mean(0, keepdim=True)
    return torch.cat([value, mean])[rows]
