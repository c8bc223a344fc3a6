"""Fields with names, one within another: what a receipt or a form says."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.text import character
from unimodal.expressions import Expression, any_of, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary

CLOSE = "/"


@final
@dataclass(frozen=True)
class Field:
    """A name and its content: a text, or fields, one at least."""

    name: str
    content: "str | tuple[Field, ...]"


@final
class FieldCodec(Codec[list[Field]]):
    """A field is its name's token, its content, and a token that closes it: total = "9.50" -> [total] 9 . 5 0 [/].

    Fields of documents as a tree of tokens (Kim et al., 2022, arXiv:2111.15664, where every name has a closing token of
    its own). Names are those of the kind, in which `/` closes. Fields lie within `depth` - 1 others at most. Outside
    the grammar: text beside fields is skipped, a close too many too, and what is not closed ends with the sequence.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "field", depth: int = 3):
        if depth < 1:
            raise ValueError(f"depth: expected at least 1, got {depth}")
        self._vocabulary, self._depth, space = vocabulary, depth, vocabulary.space
        self._close = space.id(kind, CLOSE)
        self._names = {id: space.name(id) for id in space.ids(kind) if id != self._close}
        if not self._names:
            raise ValueError(f"'{kind}' names no field but '{CLOSE}'")
        self._ids = {name: id for id, name in self._names.items()}

    def encode(self, obj: list[Field]) -> list[int]:
        return [id for field in obj for id in self._spell(field, self._depth)]

    def _spell(self, field: Field, depth: int) -> list[int]:
        if field.name not in self._ids or not depth or field.content == ():
            raise ValueError(f"{field}: expected one of {', '.join(self._ids)}, not empty, {self._depth} deep at most")
        if isinstance(field.content, str):
            content = self._vocabulary.pieces.encode(field.content)
        else:
            content = [id for part in field.content for id in self._spell(part, depth - 1)]
        return [self._ids[field.name], *content, self._close]

    def decode(self, ids: Sequence[int]) -> list[Field]:
        return list(self._read(iter(before_end(ids, self._vocabulary.space.end)), self._depth)[1])

    def _read(self, ids: Iterator[int], depth: int) -> tuple[str, tuple[Field, ...]]:
        """The text and the fields up to the next close."""
        text: list[int] = []
        fields: list[Field] = []
        for id in ids:
            if id in self._names and depth:
                inner, parts = self._read(ids, depth - 1)
                fields.append(Field(self._names[id], parts or inner))
            elif id == self._close and depth < self._depth:
                break
            elif id != self._close:
                text.append(id)
        return self._vocabulary.pieces.decode(text), tuple(fields)

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        text, close = repeat(character(self._vocabulary)), any_of([self._close])
        content: Expression = text
        for _ in range(self._depth - 1):
            content = text | repeat(sequence(any_of(self._names), content, close), 1)
        space = self._vocabulary.space
        field = sequence(any_of(self._names), content, close)
        return Automaton.compile(repeat(field), len(space), space.end)
