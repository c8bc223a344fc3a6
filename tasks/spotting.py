"""Picture -> the words in it: where they stand, their outlines, what they say; in one sequence or in two stages.

In two stages (Wan et al. 2024, arXiv:2403.19128) the places of all words are written first; then, for each place and
all of them at once, the word's outline and its characters. Places can be asked for within a window and for words that
begin with some characters alone.
"""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, final

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.codecs.points import Point, PointCodec
from unimodal.codecs.spotting import NUM_VERTICES, SpottedWord, SpottingCodec
from unimodal.task import Staged
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import constant
from unimodal.tasks.columns.picture import Picture
from unimodal.tasks.columns.places import Place, Points, Words
from unimodal.tasks.columns.text import Text
from unimodal.tasks.drawn import NUM_COUNTED, DrawnTask, PlaceTask, TextAtPlace
from unimodal.tasks.metrics.errors import CharacterErrorRate
from unimodal.tasks.metrics.places import OutlineOverlap, PointF1, SpottingF1
from unimodal.tasks.windows import Window, draw_window
from unimodal.tasks.worlds.backdrops import Backdrop, paper
from unimodal.tasks.worlds.drawn_words import DrawnWords, Sizes, WordsInPictures
from unimodal.tasks.worlds.lexicons import Lexicon
from unimodal.vocabulary import Vocabulary

NUM_OUTLINED = 2
"""Words of a picture whose outlines are taught; of all of them, what they say."""


class WordsTask(DrawnTask[DrawnWords]):
    """A task on pictures with words; abstract."""

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        lexicon: Lexicon,
        sizes: Sizes | None = None,
        backdrop: Backdrop = paper,
        cache: Path | None = None,
        num_train: int = 1_000_000,
        num_test: int = 200,
    ) -> None:
        super().__init__(vocabulary=vocabulary, cache=cache, num_train=num_train, num_test=num_test)
        self.lexicon = lexicon
        self._backdrop, self._sizes = backdrop, Sizes() if sizes is None else sizes

    @final
    def world(self, split: str) -> WordsInPictures:
        return WordsInPictures(self.lexicon, self.typefaces(split), self._backdrop, self._sizes)

    @final
    def snapped(self, word: SpottedWord) -> SpottedWord:
        """A word whose outline lies on the places that there are tokens for."""
        return SpottedWord(word.text, tuple(PointCodec(self._vocabulary).snapped(word.outline)))


@final
class WordPoints(WordsTask):
    """Says where the words stand: the centre of each, from top to bottom, of those in a window that is asked for.

    An example in pieces of a small vocabulary:

        <word_points> [image: 64 entries] <loc 0 0 999 999> 5 7 -> <loc 141 128 443 174 282 335 556 457 756 578> <end>
    """

    name = "word_points"
    metric = PointF1()

    @cached_property
    def codec(self) -> PointCodec:
        return PointCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture()}, Points())

    def about(self, drawn: DrawnWords, chance: Random, key: str) -> Example:
        words = [self.snapped(word) for word in drawn.words]
        window = draw_window(words, self.lexicon.alphabet, chance)
        points = [word.centre for word in words if window.holds(word, self.lexicon.alphabet)]
        return Example(key, {"image": drawn.picture, "window": window}, self.codec.snapped(points))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        window = example.inputs.get("window") or Window.whole(self.lexicon.alphabet)
        assert isinstance(window, Window)
        return [("image", example.inputs["image"]), ("prompt", self._tokens(window))]

    def _tokens(self, window: Window) -> Int[Tensor, " 6"]:
        box = [(window.left, window.top), (window.right, window.bottom)]
        ends = self._vocabulary.pieces.spell(window.first) + self._vocabulary.pieces.spell(window.last)
        return torch.tensor(self.codec.encode(box) + ends)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"nothing": constant([]), "the middle": constant([(0.5, 0.5)])}


class WordTask(PlaceTask[DrawnWords], WordsTask):
    """A task about the word at one place; abstract."""

    @final
    def about(self, drawn: DrawnWords, chance: Random, key: str) -> Example:
        return self.question(drawn.picture, chance.choice(drawn.words), key)

    @final
    def question(self, picture: Tensor, word: SpottedWord, key: str) -> Example:
        """What is asked of a word of a picture."""
        word = self.snapped(word)
        return Example(key, {"image": picture, "place": word.centre}, self.asked(word))

    @abstractmethod
    def asked(self, word: SpottedWord) -> object:
        """What is asked of a word."""


@final
class WordOutline(WordTask):
    """Draws around the word at a place: eight vertices along its upper edge, eight back along the lower one.

    An example in pieces of a small vocabulary:

        <word_outline> [image: 64 entries] <loc 443 174> -> <loc 251 177 301 161 351 145 400 129 450 112 500 96 550 80
        600 64 635 171 585 187 535 203 485 219 435 235 385 252 335 268 285 284> <end>
    """

    name = "word_outline"
    metric = OutlineOverlap()

    @cached_property
    def codec(self) -> PointCodec:
        return PointCodec(self._vocabulary, least=NUM_VERTICES, most=NUM_VERTICES)

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture(), "place": Place()}, Points(NUM_VERTICES))

    def asked(self, word: SpottedWord) -> list[Point]:
        return list(word.outline)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        """The mean of training outlines, laid around the place."""
        known = [train[i] for i in range(min(len(train), NUM_COUNTED))]
        offsets = torch.tensor([example.answer for example in known]) - torch.tensor(
            [[example.inputs["place"]] for example in known]
        )
        mean = offsets.mean(0)

        def laid(example: Example) -> list[tuple[float, ...]]:
            places = (torch.tensor(example.inputs["place"]) + mean).clamp(0, 1)
            return [tuple(point) for point in places.tolist()]

        return {"mean outline": laid}


@final
class WordText(TextAtPlace[DrawnWords], WordTask):
    """Reads the word at a place.

    An example in pieces of a small vocabulary:

        <word_text> [image: 64 entries] <loc 443 174> -> 7 0 9 0 <end>
    """

    name = "word_text"
    metric = CharacterErrorRate()

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture(), "place": Place()}, Text("a word", sample="Total"))

    def asked(self, word: SpottedWord) -> str:
        return word.text


class SpottingTask(WordsTask):
    """Finds all words of a picture, with their outlines, and reads them; abstract."""

    metric = SpottingF1()

    @final
    @cached_property
    def codec(self) -> SpottingCodec:
        return SpottingCodec(self._vocabulary)

    @final
    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture()}, Words())

    @final
    def about(self, drawn: DrawnWords, chance: Random, key: str) -> Example:
        return Example(key, {"image": drawn.picture}, [self.snapped(word) for word in drawn.words])

    @final
    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"nothing": constant([]), "a training answer": constant(train[0].answer)}


@final
class InterleavedSpotting(SpottingTask):
    """Finds and reads words in one sequence: a word's place, outline and characters, then the next word's."""

    name = "spotting_interleaved"

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("image", example.inputs["image"])]


@final
class Spotting(SpottingTask):
    """Finds and reads words in two stages: all places, then the outline and the characters at each of them."""

    name = "spotting"
    tag = WordPoints.name

    @property
    def staged(self) -> Staged:
        places, outline, text = self._parts
        return Staged(places, (outline, text), places=list, told=outline.told, join=_spotted, lessons=self._lessons)

    @cached_property
    def _parts(self) -> tuple[WordPoints, WordOutline, WordText]:
        vocabulary, lexicon = self._vocabulary, self.lexicon
        return (
            WordPoints(vocabulary=vocabulary, lexicon=lexicon),
            WordOutline(vocabulary=vocabulary, lexicon=lexicon),
            WordText(vocabulary=vocabulary, lexicon=lexicon),
        )

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return self._parts[0].prompt(example)

    def _lessons(self, example: Example) -> list[tuple[Task, Example]]:
        """The places in one window, what each word says, and the outlines of some."""
        words: Any = example.answer
        if unknown := {word.text[0] for word in words} - {*self.lexicon.alphabet}:
            raise ValueError(f"{self.name}: no window asks for words that begin with {min(unknown)!r}")
        (points, outline, text), chance = self._parts, Random(example.key)
        picture: Any = example.inputs["image"]
        outlined = chance.sample(words, min(NUM_OUTLINED, len(words)))
        return [
            (points, points.about(DrawnWords(picture, tuple(words)), chance, example.key)),
            *((text, text.question(picture, word, example.key)) for word in words),
            *((outline, outline.question(picture, word, example.key)) for word in outlined),
        ]


def _spotted(points: Any, answers: Sequence[Sequence[Any]]) -> list[SpottedWord]:
    return [SpottedWord(text, tuple(outline)) for outline, text in answers if text]
