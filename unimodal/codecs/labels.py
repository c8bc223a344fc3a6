"""One name out of a fixed list."""

from collections.abc import Sequence
from functools import cached_property
from os.path import commonprefix
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.expressions import choice, literal
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary


@final
class LabelCodec(Codec[str]):
    """A name as text pieces, held to the list by a trie: of ["cat", "car"], after "ca" only "t" and "r" may come.

    Outside the grammar: the name that begins most like the text; the first of the list among equals.
    """

    def __init__(self, vocabulary: Vocabulary, *, names: list[str]):
        if not names or "" in names or len(set(names)) < len(names):
            raise ValueError("names: expected different names, at least one, none of them empty")
        self._vocabulary, self._names = vocabulary, names
        self._spelled = {name: vocabulary.pieces.encode(name) for name in names}

    def encode(self, obj: str) -> list[int]:
        if obj not in self._spelled:
            raise ValueError(f"'{obj}' is none of the {len(self._names)} names")
        return list(self._spelled[obj])

    def decode(self, ids: Sequence[int]) -> str:
        text = self._vocabulary.pieces.decode(before_end(ids, self._vocabulary.space.end))
        # A name that goes on beyond the text is less like it than one that ends there.
        return max(self._names, key=lambda name: (len(commonprefix([name, text])), name == text))

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        space = self._vocabulary.space
        return Automaton.compile(choice(*map(literal, self._spelled.values())), len(space), space.end)
