"""Manifests: a user's own examples as JSON lines, and which of them are held out.

Bad rows are told by their number and left out; good ones are divided by groups, so that no speaker, say, is on both
sides. `docs/manifests.md` shows the fields of each task.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

LONGEST_LINE = 1_000_000
"""Bytes of a row: a longer one is no row of a manifest."""
GROUP = "group"
SPLIT = "split"
"""Fields that every task's rows may have: what is kept together, and on which side."""
SIDES = ("train", "test")
FEWEST_HELD_OUT = 20


@final
@dataclass(frozen=True)
class Row:
    """One line that holds a JSON object; lines are counted from 1."""

    line: int
    values: Mapping[str, Any]


@final
@dataclass(frozen=True)
class Rejected:
    """One line that cannot be used, and why."""

    line: int
    reason: str


@final
@dataclass(frozen=True)
class Division:
    """Numbers of the lines that are trained on, and of those held out, of one state of a manifest."""

    sha256: str
    train: tuple[int, ...]
    test: tuple[int, ...]

    def save(self, file: Path) -> None:
        """Writes JSON."""
        file.write_text(json.dumps(asdict(self)) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, file: Path) -> "Division":
        """Reads what `save` wrote."""
        values = json.loads(file.read_text(encoding="utf-8"))
        return cls(values["sha256"], tuple(values["train"]), tuple(values["test"]))


@final
class Manifest:
    """A manifest's good rows, and the lines that cannot be used; `keep` moves rows from one to the other."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.rows, self.rejected = read_rows(file)

    def keep(self, check: Callable[[Row], object]) -> None:
        """Leaves out the rows for which `check` raises ValueError, with its message as the reason."""
        good: list[Row] = []
        for row in self.rows:
            try:
                check(row)
            except ValueError as error:
                self.rejected.append(Rejected(row.line, " ".join(str(error).split())))
            else:
                good.append(row)
        self.rows = good
        self.rejected.sort(key=lambda bad: bad.line)

    def write_rejected(self, file: Path) -> None:
        """One JSON object for each line that was left out; no file where there is none."""
        file.unlink(missing_ok=True)
        if self.rejected:
            lines = (json.dumps(asdict(bad), ensure_ascii=False) + "\n" for bad in self.rejected)
            file.write_text("".join(lines), encoding="utf-8")

    def divide(self, inputs: Iterable[str], *, share: float) -> Division:
        """As `divide`, of the rows that are kept; `inputs` are the fields that a task reads."""
        return divide(self.rows, groups(self.rows, inputs), share=share, sha256=digest(self.file))


def digest(file: Path) -> str:
    """The sha256 of a file. Raises FileNotFoundError where there is none."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: {'is a folder' if file.is_dir() else 'no such file'}")
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read_rows(file: Path) -> tuple[list[Row], list[Rejected]]:
    """The rows of a manifest, and the lines that are none; empty lines are neither."""
    digest(file)  # is it there?
    rows: list[Row] = []
    rejected: list[Rejected] = []
    for line, raw in _lines(file):
        try:
            rows.append(Row(line, _parsed(raw)))
        except ValueError as error:
            rejected.append(Rejected(line, str(error)))
    return rows, rejected


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Lines with something in them, and their numbers; of a very long one no more than is needed to refuse it."""
    with file.open("rb") as stream:
        line = 0
        while raw := stream.readline(LONGEST_LINE + 1):
            line += 1
            part = raw
            while len(part) > LONGEST_LINE and not part.endswith(b"\n"):
                part = stream.readline(LONGEST_LINE + 1)
            if raw.strip():
                yield line, raw


def _parsed(raw: bytes) -> dict[str, Any]:
    if len(raw) > LONGEST_LINE:
        raise ValueError(f"is longer than {LONGEST_LINE:,} bytes")
    try:
        values = json.loads(raw.decode("utf-8-sig").rstrip())
    except UnicodeDecodeError as error:
        raise ValueError("is not UTF-8 text") from error
    except RecursionError as error:
        raise ValueError("is no JSON (nested too deep)") from error
    except json.JSONDecodeError as error:
        raise ValueError(f"is no JSON ({error.msg} at column {error.colno})") from error
    if not isinstance(values, dict):
        raise ValueError('is no JSON object, as in {"answer": "..."}')
    for name in (GROUP, SPLIT):
        if name in values and not isinstance(values[name], str):
            raise ValueError(f"{name}: expected a string, got {values[name]!r:.40}")
    if values.get(SPLIT, SIDES[0]) not in SIDES:
        raise ValueError(f"{SPLIT}: expected {' or '.join(SIDES)}, got {values[SPLIT]!r:.40}")
    return values


def groups(rows: Sequence[Row], inputs: Iterable[str]) -> dict[int, str]:
    """By line, what must stay together: the field `group`, or what is read, so that no input is on both sides."""
    names = sorted(inputs)
    return {
        row.line: row.values[GROUP]
        if GROUP in row.values
        else json.dumps([row.values.get(name) for name in names], ensure_ascii=False)
        for row in rows
    }


def divide(rows: Sequence[Row], group_of: Mapping[int, str], *, share: float, sha256: str) -> Division:
    """Holds whole groups out: those of `split: test`, or else a share of the rows, at least 20 where half are more.

    A hash of a group's name decides, so a manifest that has grown keeps what it held out before as far as it can.
    Raises ValueError where a group is on both sides, and where either side would be empty.
    """
    sides: dict[str, set[str]] = {}
    for row in rows:
        sides.setdefault(group_of[row.line], set()).add(row.values.get(SPLIT, ""))
    if any("test" in found for found in sides.values()):
        torn = sorted(group for group, found in sides.items() if "test" in found and found != {"test"})
        if torn:
            raise ValueError(f"{SPLIT}: the group {torn[0]!r:.60} is held out and trained on; a group has one side")
        held_out = {group for group, found in sides.items() if "test" in found}
    else:
        held_out = _drawn(rows, group_of, share)
    train = tuple(row.line for row in rows if group_of[row.line] not in held_out)
    test = tuple(row.line for row in rows if group_of[row.line] in held_out)
    if not train or not test:
        raise ValueError(f"{len(rows)} good rows of {len(sides)} groups cannot be divided into two sides of some each")
    return Division(sha256, train, test)


def _drawn(rows: Sequence[Row], group_of: Mapping[int, str], share: float) -> set[str]:
    """Groups in the order of a hash of their names, until they have enough rows."""
    sizes: dict[str, int] = {}
    for row in rows:
        sizes[group_of[row.line]] = sizes.get(group_of[row.line], 0) + 1
    wanted = max(share * len(rows), min(FEWEST_HELD_OUT, len(rows) // 2))
    chosen: set[str] = set()
    held = 0
    for group in sorted(sizes, key=lambda group: hashlib.sha256(group.encode(errors="replace")).digest()):
        if held and held + sizes[group] > wanted:
            continue
        chosen.add(group)
        held += sizes[group]
    return chosen
