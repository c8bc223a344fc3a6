"""Tables with cells that reach over several rows or columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Generic, TypeVar, final

from unimodal.codecs import Codec, before_end
from unimodal.grammars import Grammar
from unimodal.grammars.automaton import Automaton
from unimodal.grammars.grid import MOST_COLUMNS, Grid, Mark
from unimodal.vocabulary import Vocabulary

_NAMES = {"cell": Mark.CELL, "header": Mark.CELL, "left": Mark.LEFT, "up": Mark.UP, "cross": Mark.CROSS}
_ROW = "row"

T = TypeVar("T")
U = TypeVar("U")


@final
@dataclass(frozen=True)
class Cell(Generic[T]):
    """A cell: its first row and column, from 0, how many it reaches over, and what it holds: a text, a place."""

    row: int
    column: int
    content: T
    height: int = 1
    width: int = 1
    is_header: bool = False

    def holding(self, content: U) -> "Cell[U]":
        """The same cell with something else in it."""
        return Cell(self.row, self.column, content, self.height, self.width, self.is_header)


@final
class TableCodec(Codec[list[Cell[T]]], Generic[T]):
    """The cells of a table, row by row: "a" over both columns, "b", "c" -> [cell] a [left, row, cell] b [cell] c [row].

    Table structure as a grid of marks (Lysak et al., 2023, arXiv:2305.03393): a place is a cell's first (`cell`, or
    `header`), merged with the one on its left, the one above, or both (`left`, `up`, `cross`); `row` ends a row. Every
    sequence of the grammar is a table whose cells cover each place once, with `most_columns` columns at most. A cell's
    content follows its first mark. Outside the grammar: a mark that merges with nothing is a cell with nothing in it,
    short rows end with such cells, long ones are cut, contents outside cells are skipped.
    """

    def __init__(
        self, vocabulary: Vocabulary, contents: Codec[T], *, kind: str = "grid", most_columns: int = MOST_COLUMNS
    ):
        """`contents`: how what a cell holds is written; its grammar is an `Automaton` in which nothing may be written.

        Raises ValueError for too many columns or for contents whose grammar is another.
        """
        if not 1 <= most_columns <= MOST_COLUMNS:
            raise ValueError(f"most_columns: expected 1 to {MOST_COLUMNS}, got {most_columns}")
        grammar = contents.grammar()
        if not isinstance(grammar, Automaton) or not grammar.accepts([vocabulary.space.end]):
            raise ValueError(f"contents: a cell cannot hold what {type(contents).__name__} writes, or cannot be empty")
        self._space, self._contents, self._most_columns = vocabulary.space, contents, most_columns
        self._content = grammar
        self._ids = {name: vocabulary.space.id(kind, name) for name in [*_NAMES, _ROW]}
        self._places = {self._ids[name]: name for name in _NAMES}

    def encode(self, obj: list[Cell[T]]) -> list[int]:
        ids: list[int] = []
        for row in _grid(obj, self._most_columns):
            for name, cell in row:
                ids += [self._ids[name], *([] if cell is None else self._contents.encode(cell.content))]
            ids.append(self._ids[_ROW])
        return ids

    def decode(self, ids: Sequence[int]) -> list[Cell[T]]:
        rows: list[list[tuple[str, list[int]]]] = []
        is_open = False
        for id in before_end(ids, self._space.end):
            if id in self._places:
                rows += [] if is_open else [[]]
                rows[-1].append((self._places[id], []))
                is_open = True
            elif id == self._ids[_ROW]:
                rows += [] if is_open else [[]]
                is_open = False
            elif is_open and _NAMES[rows[-1][-1][0]] is Mark.CELL:
                rows[-1][-1][1].append(id)
        return [cell.holding(self._contents.decode(cell.content)) for cell in _cells(rows, self._most_columns)]

    def grammar(self) -> Grammar:
        return self._grid

    @cached_property
    def _grid(self) -> Grid:
        marks = {id: _NAMES[name] for id, name in self._places.items()}
        marks |= {self._ids[_ROW]: Mark.ROW, self._space.end: Mark.END}
        return Grid(self._content, marks=marks, most_columns=self._most_columns)


def _grid(cells: list[Cell[T]], most_columns: int) -> list[list[tuple[str, Cell[T] | None]]]:
    """The mark of each place, by name, with the cell that begins there."""
    num_rows = max((cell.row + cell.height for cell in cells), default=0)
    num_columns = max((cell.column + cell.width for cell in cells), default=0)
    if not 1 <= num_columns <= most_columns:
        raise ValueError(f"a table has 1 to {most_columns} columns, not {num_columns}")
    grid: list[list[tuple[str, Cell[T] | None]]] = [[("", None)] * num_columns for _ in range(num_rows)]
    if sum(max(cell.height, 0) * max(cell.width, 0) for cell in cells) != num_rows * num_columns:
        raise ValueError(f"the cells do not cover {num_rows} rows and {num_columns} columns, each place once")
    for cell in cells:
        for row in range(cell.row, cell.row + cell.height):
            for column in range(cell.column, cell.column + cell.width):
                if row < 0 or column < 0 or grid[row][column][0]:
                    raise ValueError(f"{cell}: lies outside the table, or on another cell")
                grid[row][column] = (_mark(cell, row, column), None)
        grid[cell.row][cell.column] = ("header" if cell.is_header else "cell", cell)
    return grid


def _mark(cell: Cell[T], row: int, column: int) -> str:
    if row == cell.row:
        return "left"
    return "up" if column == cell.column else "cross"


def _cells(grid: list[list[tuple[str, list[int]]]], most_columns: int) -> list[Cell[list[int]]]:
    """The cells of any rows of marks, row by row; marks that break the rules are mended as the codec says."""
    num_columns = min(max(map(len, grid), default=1), most_columns) or 1
    padded = [(row + [("cell", [])] * num_columns)[:num_columns] for row in grid or [[]]]
    marks: list[list[str]] = []
    for row, line in enumerate(padded):
        marks.append([])
        for column, (name, _) in enumerate(line):
            left = marks[row][column - 1] if column else None
            marks[row].append(_mended(name, left, marks[row - 1][column] if row else None))
    found = []
    for row, names in enumerate(marks):
        for column, name in enumerate(names):
            if _NAMES[name] is Mark.CELL:
                width = 1 + _run(names[column + 1 :], "left")
                height = 1 + _run([below[column] for below in marks[row + 1 :]], "up")
                content = padded[row][column][1]
                found.append(Cell(row, column, content, height, width, name == "header"))
    return found


def _mended(name: str, left: str | None, above: str | None) -> str:
    """The mark itself, where its neighbours allow it."""
    goes_up, is_spanned = left in ("up", "cross"), above in ("left", "cross")
    if goes_up and is_spanned:
        return "cross"
    legal = {"left": left is not None and not goes_up, "up": above is not None and not is_spanned, "cross": False}
    return name if legal.get(name, True) else "cell"


def _run(names: list[str], name: str) -> int:
    """How many of the first names are this one."""
    return next((count for count, other in enumerate(names) if other != name), len(names))
