"""Parts of real tables, with cells that reach over several rows or columns as people lay them out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import TYPE_CHECKING, final

from unimodal.codecs.tables import Cell
from unimodal.tasks.worlds import World
from unimodal.tasks.worlds.table_questions import is_short, write_number

if TYPE_CHECKING:
    from pandas import DataFrame, Series

MOST_ROWS = 500
MOST_DRAWS = 10_000
GROUPED = 0.4
"""Share of tables of three or more columns with a header over some of them."""
SECTIONED = 0.1
"""Share of rows, but the first, that are one cell with a title."""
MERGED = 0.7
"""Share of equal neighbours, one above the other in the first column, that are one cell."""

Texts = dict[str, list[str]]
"""The columns of a table as they are written; "" where a cell holds nothing, or more than is shown."""


@final
@dataclass(frozen=True)
class ExcerptSizes:
    """The least and the most rows and columns of an excerpt, and the characters of a cell at most."""

    rows: tuple[int, int] = (2, 6)
    columns: tuple[int, int] = (2, 4)
    longest: int = 8


@final
class TableExcerpts(World[list[Cell[str]]]):
    """Some rows below each other and some columns of a table, with its headers; all tables are equally likely.

    A table is read when it is drawn first, and its texts are kept.
    """

    def __init__(self, tables: Sequence[Callable[[], "DataFrame"]], sizes: ExcerptSizes = ExcerptSizes()) -> None:
        self._tables, self._rows, self._columns, self._longest = tables, sizes.rows, sizes.columns, sizes.longest
        self._known: dict[int, Texts] = {}

    def draw(self, seed: int) -> list[Cell[str]]:
        chance = Random(seed)
        for _ in range(MOST_DRAWS):
            texts = self._texts(chance.randrange(len(self._tables)))
            if len(texts) >= self._columns[0] and _length(texts) >= self._rows[0]:
                return self._laid_out(texts, chance)
        raise ValueError(f"none of the tables has {self._columns[0]} columns of short texts")

    def _texts(self, number: int) -> Texts:
        if number not in self._known:
            self._known[number] = short_texts(self._tables[number](), self._longest)
        return self._known[number]

    def _laid_out(self, texts: Texts, chance: Random) -> list[Cell[str]]:
        num_columns = chance.randint(self._columns[0], min(self._columns[1], len(texts)))
        num_rows = chance.randint(self._rows[0], min(self._rows[1], _length(texts)))
        names, places = list(texts), sorted(chance.sample(range(len(texts)), num_columns))
        first = chance.randint(0, _length(texts) - num_rows)
        columns = [texts[names[place]][first : first + num_rows] for place in places]
        head = _head([names[place] for place in places], names, chance)
        below = max(cell.row + cell.height for cell in head)
        return [*head, *_body(columns, names, below, chance)]


def short_texts(frame: "DataFrame", longest: int) -> Texts:
    """The columns of a table with a short name of which half of the cells at least are short and hold something."""
    found = {str(name): _written(frame.head(MOST_ROWS)[name], longest) for name in frame if is_short(name, longest)}
    return {name: texts for name, texts in found.items() if 2 * sum(map(bool, texts)) >= len(texts)}


def _written(column: "Series[float]", longest: int) -> list[str]:
    import pandas
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    is_number = is_numeric_dtype(column) and not is_bool_dtype(column)
    texts = ["" if pandas.isna(value) else write_number(value) if is_number else str(value) for value in column]
    return [text if is_short(text, longest) else "" for text in texts]


def _length(texts: Texts) -> int:
    return len(next(iter(texts.values())))


def _head(shown: Sequence[str], names: Sequence[str], chance: Random) -> list[Cell[str]]:
    """A row of headers, or two of which the first has one over several columns."""
    if len(shown) < 3 or chance.random() >= GROUPED:
        return [Cell(0, column, name, is_header=True) for column, name in enumerate(shown)]
    width = chance.randint(2, len(shown) - 1)
    first = chance.randint(0, len(shown) - width)
    grouped = range(first, first + width)
    above = [
        Cell(0, column, name, height=2, is_header=True) for column, name in enumerate(shown) if column not in grouped
    ]
    above.append(Cell(0, first, chance.choice(names), width=width, is_header=True))
    below = [Cell(1, column, shown[column], is_header=True) for column in grouped]
    return [*sorted(above, key=lambda cell: cell.column), *below]


def _body(columns: Sequence[Sequence[str]], names: Sequence[str], first: int, chance: Random) -> list[Cell[str]]:
    num_rows, cells = len(columns[0]), list[Cell[str]]()
    sections = {row for row in range(1, num_rows) if chance.random() < SECTIONED}
    begun = 0  # which cell the first column's last one is
    for row in range(num_rows):
        if row in sections:
            cells.append(Cell(first + row, 0, chance.choice(names), width=len(columns)))
            continue
        text, above = columns[0][row], row - 1
        goes_on = row > 0 and above not in sections and text and text == columns[0][above] and chance.random() < MERGED
        if goes_on:
            cells[begun] = replace(cells[begun], height=cells[begun].height + 1)
        else:
            begun = len(cells)
            cells.append(Cell(first + row, 0, text))
        cells += [Cell(first + row, column, texts[row]) for column, texts in enumerate(columns) if column]
    return cells
