"""Tables as HTML, with cells that reach over several rows or columns."""

import html
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from itertools import groupby
from typing import final

from unimodal.codecs.tables import Cell

MOST_PLACES = 10_000
"""Rows times columns of a table that is read."""
MOST_SPAN = 1000
"""Rows or columns that a cell may say that it reaches over: a browser takes no more."""


@final
@dataclass(frozen=True)
class HtmlTable:
    """The cells of a table, which cover each place once, row by row; as a string it is HTML."""

    cells: tuple[Cell[str], ...]

    @property
    def num_head(self) -> int:
        """How many of the first rows hold headers alone, none of which reaches farther."""
        return max(filter(self._is_head, range(self._num_rows + 1)))

    def sections(self) -> Iterator[tuple[str, list[list[Cell[str]]]]]:
        """The head, then the body, by their tags and where they have rows: the cells that begin in each row.

        A row may be covered by cells from above.
        """
        begun = {row: [*cells] for row, cells in groupby(self.cells, lambda cell: cell.row)}
        rows, num_head = [begun.get(row, []) for row in range(self._num_rows)], self.num_head
        for tag, part in (("thead", rows[:num_head]), ("tbody", rows[num_head:])):
            if part:
                yield tag, part

    @classmethod
    def parse(cls, text: str) -> "HtmlTable":
        """The first table of a page. Rows that end early are filled up, cells that reach below the table are cut.

        Raises ValueError for a text without a table, a table within a table, or one of too many rows and columns.
        """
        reader = _Reader()
        reader.feed(text)
        reader.close()
        if not reader.rows:
            raise ValueError("holds no table with rows")
        return cls(tuple(_placed(reader.rows)))

    def __str__(self) -> str:
        parts = []
        for tag, rows in self.sections():
            lines = (f"<tr>{''.join(map(_written, cells))}</tr>" for cells in rows)
            parts.append(f"<{tag}>{''.join(lines)}</{tag}>")
        return f"<table>{''.join(parts)}</table>"

    @property
    def _num_rows(self) -> int:
        return max((cell.row + cell.height for cell in self.cells), default=0)

    def _is_head(self, num_rows: int) -> bool:
        begun = [cell for cell in self.cells if cell.row < num_rows]
        return all(cell.is_header and cell.row + cell.height <= num_rows for cell in begun)


def _written(cell: Cell[str]) -> str:
    spans = {"rowspan": cell.height, "colspan": cell.width}
    attributes = "".join(f' {name}="{size}"' for name, size in spans.items() if size > 1)
    tag = "th" if cell.is_header else "td"
    return f"<{tag}{attributes}>{html.escape(cell.content, quote=False)}</{tag}>"


@dataclass
class _Read:
    """A cell as it is read: its text so far."""

    is_header: bool
    height: int
    width: int
    text: str = ""


class _Reader(HTMLParser):
    """The rows of the first table."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[list[_Read]] = []
        self._depth, self._is_done, self._cell = 0, False, False

    def handle_starttag(self, tag: str, attrs: Sequence[tuple[str, str | None]]) -> None:
        if tag == "table" and not self._is_done:
            self._depth += 1
            if self._depth > 1:
                raise ValueError("holds a table within a table")
        elif self._depth and tag == "tr":
            self.rows.append([])
            self._cell = False
        elif self._depth and tag in ("td", "th"):
            given = dict(attrs)
            if not self.rows:
                self.rows.append([])
            self.rows[-1].append(_Read(tag == "th", _span(given.get("rowspan")), _span(given.get("colspan"))))
            self._cell = True
            if sum(map(len, self.rows)) > MOST_PLACES:
                raise ValueError(f"holds a table of more than {MOST_PLACES} cells")
        elif tag == "br":
            self.handle_data(" ")

    def handle_endtag(self, tag: str) -> None:
        if tag == "table" and self._depth:
            self._depth, self._is_done, self._cell = 0, True, False
        elif tag in ("td", "th", "tr"):
            self._cell = False

    def handle_data(self, data: str) -> None:
        if self._cell:
            self.rows[-1][-1].text += data


def _span(value: str | None) -> int:
    """How many rows or columns an attribute says; 1 where it says no number that a browser would take."""
    digits = (value or "").lstrip("0")
    return int(digits) if digits.isdecimal() and len(digits) <= len(str(MOST_SPAN)) and int(digits) <= MOST_SPAN else 1


def _placed(rows: Sequence[Sequence[_Read]]) -> Iterator[Cell[str]]:
    """Each cell on the first free place of its row, then empty ones on what stays free; row by row."""
    taken = set[tuple[int, int]]()
    placed = []
    for row, cells in enumerate(rows):
        column = 0
        for cell in cells:
            while (row, column) in taken:
                column += 1
            height = min(cell.height, len(rows) - row)
            width = next((across for across in range(cell.width) if (row, column + across) in taken), cell.width)
            if len(taken) + height * width > MOST_PLACES:
                raise ValueError(f"holds a table of more than {MOST_PLACES} places")
            taken |= {(row + down, column + across) for down in range(height) for across in range(width)}
            placed.append(Cell(row, column, " ".join(cell.text.split()), height, width, cell.is_header))
            column += width
    num_columns = max((column for _, column in taken), default=0) + 1
    if len(rows) * num_columns > MOST_PLACES:
        raise ValueError(f"holds a table of more than {MOST_PLACES} places")
    every = {(row, column) for row in range(len(rows)) for column in range(num_columns)}
    placed += [Cell(row, column, "") for row, column in every - taken]
    yield from sorted(placed, key=lambda cell: (cell.row, cell.column))
