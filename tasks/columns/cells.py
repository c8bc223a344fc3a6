"""Tables that are answers: their cells with places, or as HTML."""

from collections.abc import Mapping, Sequence
from typing import final

from unimodal.annotations import Annotation
from unimodal.codecs.points import Point
from unimodal.codecs.tables import Cell
from unimodal.data.columns import string
from unimodal.html_tables import MOST_PLACES, HtmlTable
from unimodal.tasks.columns import Column, Files, Places
from unimodal.tasks.columns.places import Place

_SIZES = ("height", "width")


@final
class Html(Column):
    """A table as HTML."""

    wants = "an HTML table"
    sample = "<table><thead><tr><th>item</th></tr></thead><tbody><tr><td>tea</td></tr></tbody></table>"

    def read(self, value: object, files: Files) -> HtmlTable:
        return HtmlTable.parse(string(value, self.wants))


@final
class Cells(Places):
    """Cells of a table, row by row, with the middle of each one's text."""

    wants = 'a list of {"row": 0, "column": 0, "height": 1, "width": 1, "is_header": false, "place": [x, y] or null}'
    sample = ({"row": 0, "column": 0, "height": 1, "width": 1, "is_header": True, "place": [0.25, 0.5]},)

    def read(self, value: object, files: Files) -> list[Cell[list[Point]]]:
        if not isinstance(value, list | tuple) or not 0 < len(value) <= MOST_PLACES:
            raise ValueError(f"expected {self.wants}")
        return [self._cell(row, files) for row in value]

    def annotations(self, value: Sequence[Cell[list[Point]]]) -> list[Annotation]:
        return [Annotation((point,), f"r{cell.row + 1} c{cell.column + 1}") for cell in value for point in cell.content]

    def _cell(self, row: object, files: Files) -> Cell[list[Point]]:
        if not isinstance(row, Mapping) or not {"row", "column", "place"} <= row.keys():
            raise ValueError(f"expected {self.wants}")
        numbers = [row["row"], row["column"], *(row.get(name, 1) for name in _SIZES)]
        for number, least in zip(numbers, (0, 0, 1, 1), strict=True):
            if isinstance(number, bool) or not isinstance(number, int) or not least <= number <= MOST_PLACES:
                raise ValueError(f"expected {self.wants}")
        place = [] if row["place"] is None else [Place().read(row["place"], files)]
        first, column, height, width = numbers
        return Cell(first, column, place, height, width, row.get("is_header") is True)
