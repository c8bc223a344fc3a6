"""Picture of a table -> the table: its cells with their places first, then what each of them says, all at once.

As words are found and read in two stages (Wan et al. 2024, arXiv:2403.19128), with cells as a grid of marks in place of
HTML, so that spans agree (Lysak et al. 2023, arXiv:2305.03393).
"""

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any, final

from torch import Tensor

from unimodal.codecs.html import HtmlCodec
from unimodal.codecs.points import Point, PointCodec
from unimodal.codecs.tables import Cell, TableCodec
from unimodal.html_tables import HtmlTable
from unimodal.task import Staged
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import constant
from unimodal.tasks.columns.cells import Cells, Html
from unimodal.tasks.columns.picture import Picture
from unimodal.tasks.columns.places import Place
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.tables import Tables
from unimodal.tasks.drawn import DrawnTask, TextAtPlace
from unimodal.tasks.metrics.match import EditSimilarity
from unimodal.tasks.metrics.places import CellF1
from unimodal.tasks.metrics.trees import TableSimilarity
from unimodal.tasks.worlds.backdrops import Backdrop, paper
from unimodal.tasks.worlds.drawn_tables import DrawnTable, TablesInPictures, TableSizes, Written
from unimodal.tasks.worlds.table_excerpts import ExcerptSizes, TableExcerpts
from unimodal.vocabulary import Vocabulary

PlacedCells = list[Cell[list[Point]]]
"""Each cell with the middle of its text, or with no point where it says nothing."""


class TablesTask(DrawnTask[DrawnTable]):
    """A task on pictures of tables; abstract. What tables of the test say is out of tables that training never saw."""

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        excerpts: ExcerptSizes | None = None,
        sizes: TableSizes | None = None,
        backdrop: Backdrop = paper,
        cache: Path | None = None,
        num_train: int = 1_000_000,
        num_test: int = 200,
    ) -> None:
        """`excerpts`: how large tables are; `sizes`: of their pictures, in pixels."""
        super().__init__(vocabulary=vocabulary, cache=cache, num_train=num_train, num_test=num_test)
        self._excerpts = ExcerptSizes() if excerpts is None else excerpts
        self._backdrop, self._sizes = backdrop, TableSizes() if sizes is None else sizes

    @final
    def world(self, split: str) -> TablesInPictures:
        frames = [table.frame for table in Tables().examples(split, self._cache)]
        return TablesInPictures(
            TableExcerpts(frames, self._excerpts), self.typefaces(split), self._backdrop, self._sizes
        )


@final
class TableStructure(TablesTask):
    """Says which cells a table has, row by row, how far they reach, and where the text of each stands.

    An example in pieces of a small vocabulary:

        <table_structure> [image: 72 entries] -> <header 571 637> <header 752 637> <row> <cell 571 762> <cell 758 762>
        <row> <cell 571 887> <cell 774 887> <row> <end>
    """

    name = "table_structure"
    metric = CellF1()

    @cached_property
    def codec(self) -> TableCodec[list[Point]]:
        return TableCodec(self._vocabulary, PointCodec(self._vocabulary, most=1))

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture()}, Cells())

    def about(self, drawn: DrawnTable, chance: Random, key: str) -> Example:
        cells = [cell.holding([cell.content.place] if cell.content.place else []) for cell in drawn.cells]
        return Example(key, {"image": drawn.picture}, self.codec.decode(self.codec.encode(cells)))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("image", example.inputs["image"])]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"one cell": constant([Cell(0, 0, [])]), "a training answer": constant(train[0].answer)}


@final
class CellText(TextAtPlace[DrawnTable], TablesTask):
    """Reads the cell of a table at a place.

    An example in pieces of a small vocabulary:

        <cell_text> [image: 72 entries] <loc 590 96> -> F r e q <end>
    """

    name = "cell_text"
    metric = EditSimilarity()

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture(), "place": Place()}, Text("what the cell says", sample="12.50"))

    def about(self, drawn: DrawnTable, chance: Random, key: str) -> Example:
        return self.question(drawn.picture, chance.choice(drawn.written), key)

    def question(self, picture: Tensor, written: Written, key: str) -> Example:
        """What is asked of a text of a picture."""
        assert written.place is not None, "a cell without a text stands nowhere"
        (place,) = PointCodec(self._vocabulary).snapped([written.place])
        return Example(key, {"image": picture, "place": place}, written.text)


@final
class TableRecognition(TablesTask):
    """Reads a table in two stages: all its cells with their places, then what is written at each of them."""

    name = "table_recognition"
    tag = TableStructure.name
    metric = TableSimilarity()

    @property
    def staged(self) -> Staged:
        structure, text = self._parts
        return Staged(structure, (text,), places=_places, told=text.told, join=_filled, lessons=self._lessons)

    @cached_property
    def _parts(self) -> tuple[TableStructure, CellText]:
        return TableStructure(vocabulary=self._vocabulary), CellText(vocabulary=self._vocabulary)

    @cached_property
    def codec(self) -> HtmlCodec:
        return HtmlCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        return Schema({"image": Picture()}, Html())

    def about(self, drawn: DrawnTable, chance: Random, key: str) -> Example:
        cells = tuple(cell.holding(cell.content.text) for cell in drawn.cells)
        return Example(key, {"image": drawn.picture, "drawn": drawn}, HtmlTable(cells))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return self._parts[0].prompt(example)

    def _lessons(self, example: Example) -> list[tuple[Task, Example]]:
        """The cells, and what each says."""
        drawn: Any = example.inputs.get("drawn")
        if drawn is None:
            parts = " and ".join(part.name for part in self._parts)
            raise ValueError(f"{self.name}: HTML does not say where texts stand; teach {parts} in its place")
        structure, text = self._parts
        return [
            (structure, structure.about(drawn, Random(example.key), example.key)),
            *((text, text.question(drawn.picture, written, example.key)) for written in drawn.written),
        ]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"one cell": constant(HtmlTable((Cell(0, 0, ""),))), "a training answer": constant(train[0].answer)}


def _places(cells: PlacedCells) -> list[Point]:
    return [point for cell in cells for point in cell.content]


def _filled(cells: PlacedCells, answers: Sequence[Sequence[Any]]) -> HtmlTable:
    """The cells with what was read at the places of those that have one."""
    read: Iterator[Sequence[Any]] = iter(answers)
    return HtmlTable(tuple(cell.holding("".join(map(str, next(read))) if cell.content else "") for cell in cells))
