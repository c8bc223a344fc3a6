"""Tasks on pictures that are drawn, each from its number, and that know what they hold."""

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, Generic, TypeVar, final

import torch

from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.points import Point, PointCodec
from unimodal.tasks import Baseline, Example, Task
from unimodal.tasks.baselines import best_constant, majority
from unimodal.tasks.corpora.fonts import Fonts
from unimodal.tasks.files import read_pictures, refuse_prompt
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.worlds import World
from unimodal.vocabulary import Vocabulary

T = TypeVar("T")

NUM_COUNTED = 200
"""Training examples that baselines look at."""
FIRST_SEED = {"train": 0, "validation": 1_000_000_000, "test": 2_000_000_000}


class DrawnTask(Task, Generic[T]):
    """A task on pictures of a world; abstract. An example in training is drawn from its number, so there may be any."""

    reads: tuple[str, ...] = ("image",)
    writes = "text"

    def __init__(
        self, *, vocabulary: Vocabulary, cache: Path | None = None, num_train: int = 1_000_000, num_test: int = 200
    ) -> None:
        """`num_test` is also the number of examples for validation."""
        self.num = {"train": num_train, "validation": num_test, "test": num_test}
        self._vocabulary, self._cache = vocabulary, cache

    @final
    def examples(self, split: str) -> Sequence[Example]:
        world, first = self.world(split), FIRST_SEED[split]

        def example(place: int) -> Example:
            return self.about(world.draw(first + place), Random(f"{split} {place}"), f"{split}#{place}")

        return OnDemand(example, length=self.num[split])

    @abstractmethod
    def world(self, split: str) -> World[T]:
        """What the pictures of a split are drawn by."""

    @abstractmethod
    def about(self, drawn: T, chance: Random, key: str) -> Example:
        """What the task asks of a picture, by chance where it asks for one thing of many."""

    @final
    def typefaces(self, split: str) -> list[Path]:
        """Those of a split; faces of the test are of families that training never saw."""
        known = Fonts().examples("test" if split == "validation" else split, self._cache)
        return [face.path for face in known]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_pictures(paths)


class PlaceTask(DrawnTask[T]):
    """A task about what stands at one place of a picture; abstract."""

    reads = ("image", "place")

    @final
    def told(self, place: Point) -> list[tuple[str, object]]:
        """What a decoder is told of a place."""
        return [("prompt", torch.tensor(PointCodec(self._vocabulary).encode([place])))]

    @final
    def prompt(self, example: Example) -> list[tuple[str, object]]:
        place: Any = example.inputs["place"]
        return [("image", example.inputs["image"]), *self.told(place)]

    @final
    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        """The prompt is the place, in shares of the picture's width and height: `0.25 0.5`."""
        place = parse_place(prompt, self.name)
        return [Example(example.key, {**example.inputs, "place": place}) for example in read_pictures(paths)]


class TextAtPlace(PlaceTask[T]):
    """Reads what stands at a place, a character at a time; abstract."""

    @final
    @cached_property
    def codec(self) -> CharacterCodec:
        return CharacterCodec(self._vocabulary)

    @final
    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        counted = [train[i] for i in range(min(len(train), NUM_COUNTED))]
        return {"best constant": best_constant(counted, self.metric), "majority": majority(counted)}


def parse_place(prompt: str | None, task: str) -> Point:
    """A place that a user writes as two shares. Raises ValueError for anything else."""
    try:
        x, y = map(float, (prompt or "").split())
    except ValueError:
        raise ValueError(f"prompt: {task} asks about a place, as in '0.25 0.5'") from None
    if not (0 <= x <= 1 and 0 <= y <= 1):
        raise ValueError(f"prompt: a place lies between 0 and 1, not at {x:g} {y:g}")
    return x, y
