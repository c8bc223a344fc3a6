"""Questions about a few rows of real tables; the answers are computed with pandas.

What is written is what is asked about: numbers are rounded to two decimals before anything is computed.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isnan
from random import Random
from typing import TYPE_CHECKING, final

from unimodal.prenets.table import Grid
from unimodal.tasks.worlds import World

if TYPE_CHECKING:
    from pandas import DataFrame, Series

ROWS = (3, 6)
NUMBERS = (1, 3)
"""Least and most rows and number columns of a drawn table; its first column names the rows."""
MOST_ROWS = 500
MOST_DRAWS = 10_000
LONGEST_CELL = 16
LARGEST_NUMBER = 100_000


@final
@dataclass(frozen=True)
class TableQuestion:
    """Some rows of the table that `source` names, a question about them and its answer."""

    source: int
    grid: Grid
    question: str
    answer: str


@final
@dataclass(frozen=True, eq=False)
class Askable:
    """What can be asked about a table: the rows that each column of short words names, and its columns of numbers."""

    names: Mapping[str, Mapping[int, str]]
    numbers: Mapping[str, Sequence[float]]
    """Rounded; what is missing is not a number."""


@final
class TableQuestions(World[TableQuestion]):
    """All tables and all their naming columns are equally likely, forms of questions as often as `FORMS` says.

    A table is read when it is drawn first, and what can be asked about it is kept.
    """

    def __init__(self, tables: Sequence[Callable[[], "DataFrame"]]) -> None:
        self.tables = tables
        self._known: dict[int, Askable | None] = {}

    def draw(self, seed: int) -> TableQuestion:
        generator = Random(seed)
        for _ in range(MOST_DRAWS):
            source = generator.randrange(len(self.tables))
            table = self._askable(source)
            drawn = None if table is None else _draw_rows(table, generator)
            form = generator.choices(list(FORMS), weights=list(FORMS.values()))[0]
            asked = None if drawn is None else form(drawn, generator)
            if drawn is not None and asked is not None:  # else too few rows, or a tie: there is no clear answer
                return TableQuestion(source, drawn.grid(), *asked)
        raise ValueError("none of the tables can be asked about")

    def _askable(self, source: int) -> Askable | None:
        if source not in self._known:
            self._known[source] = askable(self.tables[source]())
        return self._known[source]


def askable(frame: "DataFrame") -> Askable | None:
    """The part of a table that questions can be drawn from; None where no column names its rows, or none counts."""
    head = frame.head(MOST_ROWS)
    numbers = {str(name): column.tolist() for name in head if (column := _numbers(head, name)) is not None}
    names = {str(name): rows for name in head if len(rows := _named_rows(head, name)) >= ROWS[0]} if numbers else {}
    return Askable(names, numbers) if names else None


def write_number(value: float) -> str:
    """A number as the table shows it: at most two decimals, no trailing zeros."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


@final
@dataclass(frozen=True)
class _Drawn:
    """The drawn rows: `numbers` [rows, columns], indexed by the row's key."""

    key: str
    numbers: "DataFrame"

    @property
    def keys(self) -> list[str]:
        return [str(key) for key in self.numbers.index]

    def grid(self) -> Grid:
        lines = zip(self.keys, self.numbers.to_numpy(), strict=True)
        rows = tuple((key, *map(write_number, values)) for key, values in lines)
        return Grid((self.key, *map(str, self.numbers.columns)), rows)

    def column(self, generator: Random) -> "Series[float]":
        """One of the columns of numbers."""
        return self.numbers[generator.choice(list(self.numbers))]


def _draw_rows(table: Askable, generator: Random) -> _Drawn | None:
    import pandas

    key = generator.choice(list(table.names))
    columns = generator.sample(list(table.numbers), min(generator.randint(*NUMBERS), len(table.numbers)))
    named, count = table.names[key], generator.randint(*ROWS)
    known = [row for row in named if not any(isnan(table.numbers[column][row]) for column in columns)]
    if len(known) < count:
        return None
    rows = generator.sample(known, count)
    values = {column: [table.numbers[column][row] for row in rows] for column in columns}
    return _Drawn(key, pandas.DataFrame(values, index=[named[row] for row in rows]))


def _numbers(frame: "DataFrame", name: object) -> "Series[float] | None":
    """A column of numbers that a person would write out, rounded."""
    from pandas.api.types import is_bool_dtype, is_numeric_dtype

    column = frame[name]
    if not is_short(name) or is_bool_dtype(column) or not is_numeric_dtype(column):
        return None
    rounded = column.astype(float).round(2)
    return rounded if rounded.nunique() >= ROWS[0] and rounded.abs().max() < LARGEST_NUMBER else None


def _named_rows(frame: "DataFrame", name: object) -> dict[int, str]:
    """Rows that a column of short words names, each name once; none where the column holds numbers."""
    import pandas

    if not is_short(name) or pandas.api.types.is_numeric_dtype(frame[name]):
        return {}
    first: dict[str, int] = {}
    for row, value in enumerate(frame[name]):
        if not pandas.isna(value) and is_short(value):
            first.setdefault(str(value), row)
    return {row: value for value, row in first.items()}


def is_short(value: object, longest: int = LONGEST_CELL) -> bool:
    """Whether something is written in so many printable characters of ASCII at most, and in one at least."""
    text = str(value)
    return 0 < len(text) <= longest and text.isascii() and text.isprintable() and text == text.strip()


Asked = tuple[str, str] | None
"""A question and its answer; None where the answer is not clear."""


def _cell(drawn: _Drawn, generator: Random) -> Asked:
    key, column = generator.choice(drawn.keys), drawn.column(generator)
    return f"what is the {column.name} of {key}?", write_number(column[key])


def _cell_at(drawn: _Drawn, generator: Random) -> Asked:
    row, column = generator.randrange(len(drawn.keys)), drawn.column(generator)
    return f"what is the {column.name} in row {row + 1}?", write_number(column.iloc[row])


def _key_at(drawn: _Drawn, generator: Random) -> Asked:
    row = generator.randrange(len(drawn.keys))
    return f"what is the {drawn.key} in row {row + 1}?", drawn.keys[row]


def _largest(drawn: _Drawn, generator: Random) -> Asked:
    column = drawn.column(generator)
    return f"what is the largest {column.name}?", write_number(column.max())


def _smallest(drawn: _Drawn, generator: Random) -> Asked:
    column = drawn.column(generator)
    return f"what is the smallest {column.name}?", write_number(column.min())


def _key_of_largest(drawn: _Drawn, generator: Random) -> Asked:
    column = drawn.column(generator)
    if (column == column.max()).sum() > 1:
        return None
    return f"which {drawn.key} has the largest {column.name}?", str(column.idxmax())


def _key_of_smallest(drawn: _Drawn, generator: Random) -> Asked:
    column = drawn.column(generator)
    if (column == column.min()).sum() > 1:
        return None
    return f"which {drawn.key} has the smallest {column.name}?", str(column.idxmin())


def _larger_of_two(drawn: _Drawn, generator: Random) -> Asked:
    first, second = generator.sample(drawn.keys, 2)
    column = drawn.column(generator)
    if column[first] == column[second]:
        return None
    larger = first if column[first] > column[second] else second
    return f"which has the larger {column.name}, {first} or {second}?", larger


def _count_above(drawn: _Drawn, generator: Random) -> Asked:
    column = drawn.column(generator)
    threshold = generator.choice(list(column))
    return f"how many rows have {column.name} above {write_number(threshold)}?", str(int((column > threshold).sum()))


def _count_rows(drawn: _Drawn, generator: Random) -> Asked:
    return "how many rows are there?", str(len(drawn.numbers))


def _count_columns(drawn: _Drawn, generator: Random) -> Asked:
    return "how many columns are there?", str(len(drawn.numbers.columns) + 1)


FORMS: dict[Callable[[_Drawn, Random], Asked], int] = {
    _cell: 3,
    _cell_at: 1,
    _key_at: 1,
    _largest: 1,
    _smallest: 1,
    _key_of_largest: 1,
    _key_of_smallest: 1,
    _larger_of_two: 2,
    _count_above: 1,
    _count_rows: 2,
    _count_columns: 2,
}
"""Forms of questions and how often each is drawn."""
