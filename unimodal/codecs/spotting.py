"""Words in a picture, all in one sequence."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby
from typing import final

from unimodal.codecs import Codec, before_end
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.points import Point, PointCodec
from unimodal.codecs.text import character
from unimodal.expressions import any_of, repeat, sequence
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.vocabulary import Vocabulary

NUM_SIDE = 8
"""Vertices of an outline along the upper edge of a word, and as many back along the lower one."""
NUM_VERTICES = 2 * NUM_SIDE


@final
@dataclass(frozen=True)
class SpottedWord:
    """A word, and its outline: along the upper edge from its first letter on, and back along the lower one."""

    text: str
    outline: tuple[Point, ...]

    @property
    def centre(self) -> Point:
        """Halfway between the middles of both edges."""
        (x, y), (other_x, other_y) = (_middle(edge) for edge in (self.outline[:NUM_SIDE], self.outline[NUM_SIDE:]))
        return (x + other_x) / 2, (y + other_y) / 2


@final
class SpottingCodec(Codec[list[SpottedWord]]):
    """Each word as its centre, the 16 vertices of its outline and its characters, one word after the other.

    The single sequence that answers in two stages are measured against (Wan et al. 2024, arXiv:2403.19128). Outside the
    grammar: characters before the first place are skipped, places without characters too; vertices as `PointCodec`.
    """

    def __init__(self, vocabulary: Vocabulary, *, kind: str = "loc"):
        self._vocabulary, self._kind = vocabulary, kind
        self._points = PointCodec(vocabulary, kind=kind)
        self._outline = PointCodec(vocabulary, kind=kind, least=NUM_VERTICES, most=NUM_VERTICES)
        self._text = CharacterCodec(vocabulary)

    def encode(self, obj: list[SpottedWord]) -> list[int]:
        return [id for word in obj for id in self._spell(word)]

    def _spell(self, word: SpottedWord) -> Iterator[int]:
        if not word.text:
            raise ValueError(f"a word at {word.centre} has no text")
        outline = self._outline.encode([*word.outline])
        read = SpottedWord(word.text, tuple(self._outline.decode(outline)))
        yield from self._points.encode([read.centre])
        yield from outline
        yield from self._text.encode(word.text)

    def decode(self, ids: Sequence[int]) -> list[SpottedWord]:
        space = self._vocabulary.space
        places, texts = space.ids(self._kind), space.ids("text")
        known = (id for id in before_end(ids, space.end) if id in places or id in texts)
        words, place = [], list[int]()
        for is_place, run in groupby(known, places.__contains__):
            if is_place:
                place = list(run)
            elif place:
                words.append(SpottedWord(self._text.decode([*run]), tuple(self._outline.decode(place[2:]))))
        return words

    def grammar(self) -> Grammar:
        return self._automaton

    @cached_property
    def _automaton(self) -> Automaton:
        space = self._vocabulary.space
        share = any_of(space.ids(self._kind))
        text = repeat(character(self._vocabulary), 1)
        word = sequence(repeat(share, 2 + 2 * NUM_VERTICES, 2 + 2 * NUM_VERTICES), text)
        return Automaton.compile(repeat(word), len(space), space.end)


def _middle(edge: Sequence[Point]) -> Point:
    """Halfway along an edge of evenly spaced points."""
    (x, y), (other_x, other_y) = edge[NUM_SIDE // 2 - 1], edge[NUM_SIDE // 2]
    return (x + other_x) / 2, (y + other_y) / 2
