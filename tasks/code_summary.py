"""Python function -> the first sentence of its docstring."""

import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.text import TextCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant
from unimodal.tasks.columns.code import Code
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.python_library import DocumentedFunctions
from unimodal.tasks.files import read_texts
from unimodal.tasks.metrics.overlap import RougeL
from unimodal.tasks.order import mixed
from unimodal.vocabulary import Vocabulary


@final
class CodeSummary(Task):
    """Says what a function of Python's standard library does; the modules of the test are unseen.

    An example in pieces of a small vocabulary:

        <code_summary> de f ▁c re ate ( s e l f , ▁ma i l b o x ) : ⏎ » re t u r n ▁se l f . _ s i m p le _ c o
        m m and ( ' C R E A T E ' , ▁ma i l b o x ) ⏎ -> C re ate ▁ n e w ▁ma i l b o x . <end>
    """

    name = "code_summary"
    reads = ("code",)
    writes = "text"
    metric = RougeL()

    def __init__(
        self, *, vocabulary: Vocabulary, cache: Path | None = None, max_characters: int = 400, max_words: int = 16
    ) -> None:
        """Functions with a longer source or a longer summary are left out."""
        self.max_characters, self.max_words = max_characters, max_words
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        code = Code("a function's code", sample="def area(width, height):\n    return width * height\n")
        return Schema({"code": code}, Text("a sentence about it", sample="Multiply width by height."))

    def examples(self, split: str) -> list[Example]:
        corpus = DocumentedFunctions()
        usual = [
            Example(f"{corpus.group(function)}#{function.key}", {"code": function.source}, function.summary)
            for function in corpus.examples(split, self._cache)
            if len(function.source) <= self.max_characters and len(function.summary.split()) <= self.max_words
        ]
        # The setter of a property and the second of two definitions have the name of the first: that one is kept.
        return mixed({example.key: example for example in reversed(usual)}.values())

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("code", example.inputs["code"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return [Example(name, {"code": text}) for name, text in read_texts(paths, prompt).items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"best constant": best_constant(train, self.metric), "name in words": name_in_words}


def name_in_words(example: Example) -> str:
    """The function's own name: `def getOptionalRelease(` -> `Get optional release.`"""
    found = re.search(r"def (\w+)", str(example.inputs["code"]))
    words = re.sub(r"([a-z0-9])([A-Z])", r"\1 \2", found[1] if found else "").replace("_", " ").split()
    return " ".join(words).capitalize() + "."
