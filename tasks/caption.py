"""Picture -> an English sentence about it."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.text import TextCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant, majority
from unimodal.tasks.columns.picture import Picture
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.files import read_pictures, refuse_prompt
from unimodal.tasks.metrics.overlap import RougeL
from unimodal.tasks.order import mixed
from unimodal.tasks.stamps import picture
from unimodal.vocabulary import Vocabulary


@final
class ImageCaptioning(Task):
    """Says what a photo or drawing shows, as the stamps of a children's drawing program do; stories are left out.

    An example in pieces of a small vocabulary:

        <caption> [image: 77 entries] -> C ent ▁ s i g n . ▁ 1 0 0 ▁c ent s ▁ma k e ▁ 1 ▁do ll a r . <end>
    """

    name = "caption"
    reads = ("image",)
    writes = "text"
    metric = RougeL()

    def __init__(self, *, vocabulary: Vocabulary, cache: Path | None = None, max_words: int = 12) -> None:
        self.max_words = max_words
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture()}, Text("a sentence about the picture", sample="A king penguin."))

    def examples(self, split: str) -> list[Example]:
        return mixed(
            Example(f"{stamp.group}#{stamp.key}", {"image": stamp}, caption)
            for stamp in TuxPaint().examples(split, self._cache)
            if len((caption := stamp.captions["en"]).split()) <= self.max_words
        )

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("image", picture(example.inputs["image"]))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_pictures(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"best constant": best_constant(train, self.metric), "majority": majority(train)}
