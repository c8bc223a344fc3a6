"""One name out of a fixed list, each a token of its own."""

from collections.abc import Sequence
from functools import cached_property
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.expressions import any_of
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary


@final
class MarkCodec(Codec[str]):
    """A name as the id of its place: of ["anna", "ben"], "ben" is [unit 1]; answered in one step, however long it is.

    Outside the grammar: the first id that stands for a name; the first name where there is none.
    """

    def __init__(self, vocabulary: Vocabulary, *, names: list[str], kind: str = "unit"):
        if not names or "" in names or len(set(names)) < len(names):
            raise ValueError("names: expected different names, at least one, none of them empty")
        self._space, ids = vocabulary.space, vocabulary.space.ids(kind)
        if len(names) > len(ids):
            raise ValueError(f"names: there are {len(ids)} tokens of the kind '{kind}' for {len(names)} names")
        self._names = dict(zip(ids, names, strict=False))
        self._ids = {name: id for id, name in self._names.items()}

    def encode(self, obj: str) -> list[int]:
        if obj not in self._ids:
            raise ValueError(f"'{obj}' is none of the {len(self._ids)} names")
        return [self._ids[obj]]

    def decode(self, ids: Sequence[int]) -> str:
        known = [self._names[id] for id in before_end(ids, self._space.end) if id in self._names]
        return (known or [*self._ids])[0]

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        return Automaton.compile(any_of(self._ids.values()), len(self._space), self._space.end)
