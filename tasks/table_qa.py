"""Table and question -> the answer."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.text import TextCodec
from unimodal.prenets.table import Grid
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import majority, majority_by
from unimodal.tasks.columns.table import TableFile
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.tables import Tables
from unimodal.tasks.files import check_file
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.worlds.table_questions import TableQuestions
from unimodal.vocabulary import Vocabulary


@final
class TableQuestionAnswering(Task):
    """Looks up, compares and counts in a few rows of a real table; the tables of the test are unseen.

    Example i is drawn from seed i, so training may go on without end.

    An example in pieces of a small vocabulary:

        <table_qa> w h i ch ▁ha s ▁the ▁ l a r g er ▁ st re ng t h , ▁F ▁or ▁I ? <header> b at ch <header> st re
        ng t h <row> <cell> I <cell> 5 4 . 8 <row> <cell> B <cell> 6 0 <row> <cell> F <cell> 6 3 . 4 -> F <end>
    """

    name = "table_qa"
    reads = ("table", "text")
    writes = "text"
    metric = ExactMatch()

    def __init__(
        self, *, vocabulary: Vocabulary, cache: Path | None = None, num_train: int = 100_000, num_test: int = 400
    ) -> None:
        """`num_test` is also the number of examples for validation."""
        self.sizes = {"train": num_train, "validation": num_test, "test": num_test}
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> TextCodec:
        return TextCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        question = Text("a question about the table", sample="what is the largest price?")
        return Schema({"question": question, "table": TableFile()}, Text("the answer", sample="12.50"))

    def examples(self, split: str) -> Sequence[Example]:
        corpus = Tables()
        tables = corpus.examples(split, self._cache)
        world = TableQuestions([table.frame for table in tables])

        def example(i: int) -> Example:
            drawn = world.draw(i)
            inputs = {"question": drawn.question, "table": drawn.grid}
            return Example(f"{corpus.group(tables[drawn.source])}#{i}", inputs, drawn.answer)

        return OnDemand(example, length=self.sizes[split])

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("text", example.inputs["question"]), ("table", example.inputs["table"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        """The prompt is the question; each file is a table, CSV or TSV."""
        if prompt is None or not prompt.strip():
            raise ValueError("prompt: the task table_qa needs a question about the table")
        for path in paths:
            check_file(path)
        return [Example(str(path), {"question": prompt.strip(), "table": Grid.read(path)}) for path in paths]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {
            "majority": majority(train),
            "majority by question": majority_by(train, first_words),
            "first cell": first_cell,
        }


def first_words(example: Example) -> str:
    """The first two words of the question, which tell its form."""
    return " ".join(str(example.inputs["question"]).split()[:2])


def first_cell(example: Example) -> str:
    """The first cell of the first row."""
    grid = example.inputs["table"]
    assert isinstance(grid, Grid)
    return grid.rows[0][0]
