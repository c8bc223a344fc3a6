"""Picture of a number -> its digits."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

import numpy as np
import torch

from unimodal.codecs.digits import DigitCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant, majority
from unimodal.tasks.columns.picture import Picture
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.mnist import Mnist
from unimodal.tasks.files import read_pictures, refuse_prompt
from unimodal.tasks.metrics.errors import CharacterErrorRate
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.worlds.digit_strings import LENGTHS, DigitStrings
from unimodal.vocabulary import Vocabulary


@final
class NumberReading(Task):
    """Reads handwritten numbers of two to four digits, composed of MNIST's digits; those of the test are unseen.

    Every split draws its own digits: example i is drawn from seed i, so training may go on without end.

    An example in pieces of a small vocabulary:

        <read> [image: 56 entries] -> 5 0 3 <end>
    """

    name = "read"
    reads = ("image",)
    writes = "text"
    metric = CharacterErrorRate()

    def __init__(
        self, *, vocabulary: Vocabulary, cache: Path | None = None, num_train: int = 100_000, num_test: int = 200
    ) -> None:
        """`num_test` is also the number of examples for validation."""
        self.sizes = {"train": num_train, "validation": num_test, "test": num_test}
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> DigitCodec:
        least, most = LENGTHS
        return DigitCodec(self._vocabulary, min_digits=least, max_digits=most)

    @property
    def schema(self) -> Schema:
        least, most = LENGTHS
        return Schema({"image": Picture()}, Text(f"{least} to {most} digits in a string", sample="407"))

    def examples(self, split: str) -> Sequence[Example]:
        records = Mnist().examples(split, self._cache)
        pictures = torch.from_numpy(np.stack([record.image for record in records]))
        world = DigitStrings(pictures, [record.label for record in records])

        def example(i: int) -> Example:
            drawn = world.draw(i)
            return Example(f"{split}#{i}", {"image": drawn.picture}, drawn.digits)

        return OnDemand(example, length=self.sizes[split])

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("image", example.inputs["image"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_pictures(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"best constant": best_constant(train, self.metric), "majority": majority(train)}
