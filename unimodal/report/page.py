"""The report's content as plain values, and the one HTML file that shows it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from markupsafe import Markup

from unimodal.measuring.evaluate import Evaluation

TEMPLATE = "page.html"
LARGEST = 15_000_000
"""Bytes: what opens at once on a phone and goes through an e-mail."""


@final
@dataclass(frozen=True)
class Stage:
    """One part of a run: how long it took, and what came of it."""

    name: str
    seconds: float
    said: str


@final
@dataclass(frozen=True)
class Figure:
    """A drawing with its title and a sentence about it."""

    title: str
    drawing: Markup
    caption: str = ""


@final
@dataclass(frozen=True)
class Row:
    """One held-out example: what was read, what was right, and each model's answer, by the model's name."""

    inputs: Sequence[Markup]
    reference: Markup
    answers: Mapping[str, Markup]
    is_right: bool = False


@final
@dataclass(frozen=True)
class Samples:
    """Examples of one task."""

    task: str
    what: str
    rows: Sequence[Row]


@final
@dataclass(frozen=True)
class Adaptation:
    """What fine-tuning did to a task: the same examples before and after."""

    method: str
    before: Evaluation
    after: Evaluation

    @property
    def improves(self) -> bool:
        """Whether the adapted model is strictly better."""
        return self.after.is_better(self.after.value, self.before.value)


@final
@dataclass(frozen=True)
class Report:
    """Everything that the page shows."""

    title: str
    facts: Mapping[str, str]
    stages: Sequence[Stage]
    evaluations: Sequence[Evaluation]
    curves: Sequence[Figure]
    alignments: Sequence[Figure]
    samples: Sequence[Samples]
    adaptation: Adaptation | None = None
    missing: Sequence[str] = field(default=())
    """What could not be had, one line each."""


def render(report: Report) -> str:
    """The page as HTML; nothing in it points anywhere else."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    loader = FileSystemLoader(Path(__file__).parent)
    environment = Environment(
        loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"number": number, "duration": duration}
    return environment.get_template(TEMPLATE).render(report=report)


def write(report: Report, file: Path) -> int:
    """Writes the page; its size in bytes."""
    content = render(report).encode()
    assert len(content) < LARGEST, f"the page has {len(content):,} bytes: show fewer samples"
    file.write_bytes(content)
    return len(content)


def number(value: float) -> str:
    """Three figures that matter, and no more than people read: 0.0123, 0.450, 12.3, 1,235."""
    if value == 0:
        return "0"
    size = abs(value)
    return f"{value:,.0f}" if size >= 100 else f"{value:.1f}" if size >= 10 else f"{value:#.3g}"


def duration(seconds: float) -> str:
    """Seconds as people say them: 0.4 s, 12 s, 3 min 05 s, 1 h 02 min."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02} min"
