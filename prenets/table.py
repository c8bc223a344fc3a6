"""Tables: cells one after the other, each token with the row and the column that it stands in.

r rows, c columns, p pieces, l entries, d width
"""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.modality import Embed, Prenet, Processor
from unimodal.prenets.places import Places
from unimodal.vocabulary import Vocabulary

if TYPE_CHECKING:
    from pandas import DataFrame


@final
@dataclass(frozen=True)
class Grid:
    """A table as it is written: a header and rows of cells, all strings; "" is a missing value.

    Raises ValueError that starts with `name` for a table without rows, a column without a name or with another's, and
    for a row of another length than the header.
    """

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    name: str = "table"

    def __post_init__(self) -> None:
        if not self.header:
            raise ValueError(f"{self.name}: has no columns")
        for place, column in enumerate(self.header):
            if not column.strip():
                raise ValueError(f"{self.name}: column {place + 1} has no name")
            if column in self.header[:place]:
                raise ValueError(f"{self.name}: two columns are called '{column}'")
        if not self.rows:
            raise ValueError(f"{self.name}: has a header but no rows")
        for place, row in enumerate(self.rows):
            if len(row) != len(self.header):
                raise ValueError(
                    f"{self.name}: row {place + 1} has {len(row)} cells, the header has {len(self.header)} columns"
                )

    @classmethod
    def read(cls, path: str | Path) -> "Grid":
        """A CSV file, or a TSV file by its suffix, in UTF-8. Raises FileNotFoundError, or ValueError that names it."""
        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: no such file")
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                delimiter = "\t" if path.suffix.lower() in (".tsv", ".tab") else ","
                lines = [tuple(row) for row in csv.reader(file, delimiter=delimiter, strict=True) if row]
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: is not UTF-8 text") from error
        except csv.Error as error:
            raise ValueError(f"{path}: is no table ({error})") from error
        if not lines:
            raise ValueError(f"{path}: is empty")
        return cls(lines[0], tuple(lines[1:]), str(path))

    @classmethod
    def of(cls, raw: object) -> "Grid":
        """A table from a Grid, a pandas DataFrame or the path of a file. Raises ValueError."""
        match raw:
            case Grid():
                return raw
            case str() | Path():
                return cls.read(raw)
            case _:
                from pandas import DataFrame

                if isinstance(raw, DataFrame):
                    return _of_frame(raw)
                raise ValueError(f"a table is a Grid, a DataFrame or the path of a file, not {type(raw).__name__}")

    def part(self, *, rows: Sequence[int], columns: Sequence[str]) -> "Grid":
        """Some rows and columns, in the order given: how a user of a large table says what may be left out."""
        for column in columns:
            if column not in self.header:
                raise ValueError(f"{self.name}: has no column '{column}', only {', '.join(self.header)}")
        places = [self.header.index(column) for column in columns]
        return Grid(tuple(columns), tuple(tuple(self.rows[r][c] for c in places) for r in rows), self.name)


def _of_frame(frame: "DataFrame") -> Grid:
    """Numbers with up to six significant digits, missing values as ""."""

    missing = frame.isna().to_numpy().tolist()
    cells = zip(frame.itertuples(index=False, name=None), missing, strict=True)
    rows = tuple(tuple(_write(*cell) for cell in zip(*row, strict=True)) for row in cells)
    return Grid(tuple(str(column) for column in frame.columns), rows)


def _write(value: object, missing: bool) -> str:
    if missing:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


@final
class TableProcessor(Processor):
    """A table -> {"ids": Long[l], "rows": Long[l], "columns": Long[l]}.

    name,age / Ann,31 / Bo, becomes  <header> name <header> age <row> <cell> Ann <cell> 31 <row> <cell> Bo <cell>
                         at rows     0        0    0        0   1     1      1   1      1  2     2      2  2
                         and columns 1        1    2        2   0     1      1   2      2  0     1      1  2

    A table is a `Grid`, a pandas DataFrame or the path of a CSV or TSV file. Nothing is cut in silence: a table with
    more rows, columns or tokens than the limits is a ValueError, and `Grid.part` chooses what is to be read of it.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_rows: int = 64, max_columns: int = 32, max_tokens: int = 1024):
        self.pieces = vocabulary.pieces
        self.header, self.row, self.cell = (vocabulary.space.id("table", tag) for tag in ("header", "row", "cell"))
        self.max_rows, self.max_columns, self.max_tokens = max_rows, max_columns, max_tokens

    def __call__(self, raw: object) -> dict[str, Tensor]:
        grid = Grid.of(raw)
        _check_limit(grid, "rows", len(grid.rows), self.max_rows)
        _check_limit(grid, "columns", len(grid.header), self.max_columns)
        entries = self._cells(self.header, grid.header, 0)
        for place, row in enumerate(grid.rows, start=1):
            entries += [(self.row, place, 0), *self._cells(self.cell, row, place)]
        _check_limit(grid, "tokens", len(entries), self.max_tokens)
        ids, rows, columns = torch.tensor(entries).unbind(dim=1)
        return {"ids": ids, "rows": rows, "columns": columns}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["ids"].shape[0]

    def _cells(self, tag: int, cells: Sequence[str], row: int) -> list[tuple[int, int, int]]:
        """(id, row, column) of every token of one line."""
        return [
            (id, row, column) for column, cell in enumerate(cells, start=1) for id in [tag, *self.pieces.encode(cell)]
        ]


@final
class TablePrenet(Prenet):
    """The ids' embeddings plus learned ones for row and column (TAPAS, Herzig et al. 2020, arXiv:2004.02349).

    So a cell finds its header and its neighbours by one addition, however long the cells between are.
    """

    def __init__(self, dim: int, *, max_rows: int = 64, max_columns: int = 32):
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.places = Places(dim, sizes={"rows": max_rows + 1, "columns": max_columns + 1})

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        x: Tensor = self.norm(tokens(arrays["ids"])) + self.places(arrays)
        return x


def _check_limit(grid: Grid, what: str, count: int, limit: int) -> None:
    if count > limit:
        raise ValueError(f"{grid.name}: has {count} {what}, more than the limit of {limit}")
