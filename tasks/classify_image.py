"""Picture -> what kind of thing it shows."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.labels import LabelCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import majority
from unimodal.tasks.columns.label import Label
from unimodal.tasks.columns.picture import Picture
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.files import read_pictures, refuse_prompt
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.order import mixed
from unimodal.tasks.stamps import picture
from unimodal.vocabulary import Vocabulary

CATEGORIES = [
    *("animals", "clothes", "food", "hobbies", "household", "medical", "military", "naturalforces"),
    *("people", "plants", "seasonal", "space", "sports", "symbols", "town", "vehicles"),
]


@final
class ImageClassification(Task):
    """Names the drawer that a stamp lies in: one of sixteen categories.

    An example in pieces of a small vocabulary:

        <classify_image> [image: 77 entries] -> s y m b o l s <end>
    """

    name = "classify_image"
    reads = ("image",)
    writes = "text"
    metric = ExactMatch()

    def __init__(self, *, vocabulary: Vocabulary, cache: Path | None = None, names: Sequence[str] = CATEGORIES) -> None:
        """`names`: what a picture may show; the corpus has the sixteen categories alone."""
        self.names = list(names)
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> LabelCodec:
        return LabelCodec(self._vocabulary, names=self.names)

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture()}, Label(self.names))

    def examples(self, split: str) -> list[Example]:
        return mixed(
            Example(f"{stamp.group}#{stamp.key}", {"image": stamp}, stamp.categories[0])
            for stamp in TuxPaint().examples(split, self._cache)
        )

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("image", picture(example.inputs["image"]))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_pictures(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"majority": majority(train)}
