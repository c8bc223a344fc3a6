"""Python code up to somewhere in a line -> the rest of that line."""

import re
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from textwrap import dedent
from typing import final

from unimodal.codecs.text import TextCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant, majority
from unimodal.tasks.columns.code import Code
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.python_library import SourceFiles
from unimodal.tasks.files import read_texts
from unimodal.tasks.metrics.match import EditSimilarity
from unimodal.tasks.on_demand import OnDemand
from unimodal.vocabulary import Vocabulary

SHORTEST_LINE = 12
LONGEST_LINE = 80
SHORTEST_ANSWER = 1
_WORD_OR_SIGN = re.compile(r"\w+|[^\w\s]")


@final
class CodeCompletion(Task):
    """Ends the last line of some code of Python's standard library, cut between two words; comments are left out.

    Example i is one line of a fixed shuffle, cut at a place drawn from seed i.

    An example in pieces of a small vocabulary:

        <code_completion> i m por t ▁ o s ⏎ i m por t ▁p at h l i b ⏎ i m por t ▁t e m p f i le ⏎ i m por t ▁f
        un c t o o l s ⏎ i m por t -> c on t ex t l i b <end>
    """

    name = "code_completion"
    reads = ("code",)
    writes = "text"
    metric = EditSimilarity()

    def __init__(
        self, *, vocabulary: Vocabulary, cache: Path | None = None, num_lines: int = 6, num_test: int = 300
    ) -> None:
        """`num_lines` before the cut one are read; `num_test` is also the number of examples for validation."""
        self.num_lines, self.num_test = num_lines, num_test
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        code = Code("code up to somewhere in a line", sample="import os\nimport path")
        return Schema({"code": code}, Text("the rest of the last line", sample="lib"))

    def examples(self, split: str) -> Sequence[Example]:
        corpus = SourceFiles()
        files = [(file, file.source.splitlines()) for file in corpus.examples(split, self._cache)]
        places = [(number, line) for number, (_, lines) in enumerate(files) for line in code_lines(lines)]
        Random(0).shuffle(places)

        def example(i: int) -> Example:
            number, line = places[i]
            file, lines = files[number]
            cut = Random(i).choice(cuts(lines[line]))
            before = [*lines[max(0, line - self.num_lines) : line], lines[line][:cut]]
            key = f"{corpus.group(file)}#{file.file}:{line + 1}:{cut}"
            return Example(key, {"code": dedent("\n".join(before))}, lines[line][cut:].strip())

        return OnDemand(example, length=len(places) if split == "train" else min(self.num_test, len(places)))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("code", example.inputs["code"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        """The rest of the last line of each file, of which only the last lines are read."""
        texts = {name: text.splitlines()[-self.num_lines - 1 :] for name, text in read_texts(paths, prompt).items()}
        return [Example(name, {"code": dedent("\n".join(lines))}) for name, lines in texts.items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {
            "best constant": best_constant(train, self.metric),
            "majority": majority(train),
            "line before": rest_of_the_line_before,
        }


def code_lines(lines: Sequence[str]) -> Iterator[int]:
    """Lines of code that can be cut: neither comments nor in a docstring, neither very short nor very long."""
    quote = ""
    for number, line in enumerate(lines):
        marks = re.findall(r'"""|\'\'\'', line) if '"""' in line or "'''" in line else []
        is_text = bool(quote) or bool(marks)
        for mark in marks:
            quote = "" if quote == mark else quote or mark
        code = line.strip()
        if not is_text and SHORTEST_LINE <= len(code) <= LONGEST_LINE and code[0] != "#" and _can_be_cut(code):
            yield number


def cuts(line: str) -> list[int]:
    """Places between two words or signs of a line that leave something to read and something to write."""
    first = len(line) - len(line.lstrip())
    ends = (match.end() for match in _WORD_OR_SIGN.finditer(line))
    return [end for end in ends if end > first and len(line[end:].strip()) >= SHORTEST_ANSWER]


def _can_be_cut(code: str) -> bool:
    """Whether `cuts` finds a place, which is so where it finds one behind the first word or sign."""
    first = _WORD_OR_SIGN.match(code)
    return first is not None and len(code[first.end() :].strip()) >= SHORTEST_ANSWER


def rest_of_the_line_before(example: Example) -> str:
    """What stands in the line before, behind as many characters as the cut line has."""
    *_, before, cut = ["", *str(example.inputs["code"]).split("\n")]
    return before[len(cut) :].strip() or before.strip()
