"""The catalogue of published methods: its rows, and what was measured for each."""

import difflib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, final

import yaml

from unimodal.measuring.measure import Evidence

_ROWS = Path(__file__).with_name("catalogue.yaml")
RESULTS = Path(__file__).with_name("results.json")
"""What `unimodal systems check --record` wrote: {slug: result}. States are never typed."""


class State(Enum):
    """How far a method is reproduced."""

    REPRODUCED = "reproduced"
    DIRECTION = "direction"
    NOT_REPRODUCED = "not reproduced"
    NOT_MEASURED = "not measured"
    NOT_BUILT = "not built"


@final
@dataclass(frozen=True, kw_only=True)
class Row:
    """One published method, as the catalogue names it."""

    number: int
    slug: str
    title: str
    paper: str
    year: int
    family: str
    lossless: bool | None
    """Whether it promises the plain model's output; None where no plain model stands beside it."""
    arxiv: str | None = None
    config: str | None = None
    """Its file below configs/, once it is built."""
    decoding: str | None = None
    """The name that `generate(decoding=)` takes, where it has one."""


@final
@dataclass(frozen=True, kw_only=True)
class Result:
    """What checking a method gave."""

    state: State
    measured: Evidence | None = None
    """The claim's runs; None where there is no claim or an invariant fails."""
    failed: tuple[str, ...] = ()
    """Invariants that do not hold, with what they said."""

    def as_dict(self) -> dict[str, object]:
        """Plain values for JSON."""
        measured = None if self.measured is None else self.measured.as_dict()
        return {"state": self.state.value, "measured": measured, "failed": list(self.failed)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> "Result":
        """The result that `as_dict` gave."""
        measured = None if values["measured"] is None else Evidence.from_dict(values["measured"])
        return Result(state=State(values["state"]), measured=measured, failed=tuple(values["failed"]))


@cache
def rows() -> tuple[Row, ...]:
    """All rows, in the order of their numbers."""
    return tuple(Row(**values) for values in yaml.safe_load(_ROWS.read_text(encoding="utf-8")))


def find(slug: str) -> Row:
    """The row of that slug. Raises ValueError with the nearest slug."""
    by_slug = {row.slug: row for row in rows()}
    if slug not in by_slug:
        near = difflib.get_close_matches(slug, by_slug, n=1)
        hint = f"did you mean {near[0]!r}?" if near else "`unimodal systems list` names them"
        raise ValueError(f"unknown system {slug!r}; {hint}")
    return by_slug[slug]


def recorded(path: Path = RESULTS) -> dict[str, Result]:
    """The committed results by slug; a method without one was not measured, or is not built if it has no config."""
    without = {True: Result(state=State.NOT_BUILT), False: Result(state=State.NOT_MEASURED)}
    results = {row.slug: without[row.config is None] for row in rows()}
    for slug, values in json.loads(path.read_text(encoding="utf-8")).items():
        results[find(slug).slug] = Result.from_dict(values)
    return results


def record(slug: str, result: Result, path: Path = RESULTS) -> None:
    """Writes one method's result into the committed file."""
    results = recorded(path) | {slug: result}
    without = (State.NOT_BUILT, State.NOT_MEASURED)
    measured = {name: row.as_dict() for name, row in sorted(results.items()) if row.state not in without}
    path.write_text(json.dumps(measured, indent=1) + "\n", encoding="utf-8")
