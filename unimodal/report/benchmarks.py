"""The files that benchmarks wrote, as a page in Markdown: every figure on it is read, none is typed."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any, final

from unimodal.report import decoding
from unimodal.report.targets import Target, targets_table

Rows = Mapping[str, Mapping[str, Any]]
"""Row -> column -> value; all rows have the same columns."""
HEAD = """# Benchmarks

Written by `python scripts/benchmarks.py` from the files that `make bench` leaves in `runs/`. A section says which
command gave its figures, and when. Figures of one table come from one run, its sides in turns; absolute ones are of a
machine that others may have used, too.
"""
RAN = ("command", "date", "processor", "versions")
"""What `unimodal.measuring.machine.describe_run` gives."""


@final
@dataclass(frozen=True, kw_only=True)
class Section:
    """What a file is about; `explain` says what its columns are."""

    file: str
    title: str
    command: str
    """For files that do not say it themselves."""
    explain: str
    tables: Callable[[Mapping[str, Any]], Iterator[tuple[str, Rows]]]
    """(heading, rows) of each table; an empty heading adds none."""
    names: tuple[tuple[str, str], ...] = ()
    """Columns that are called otherwise on the page."""
    targets: Callable[[Mapping[str, Any]], Iterator[Target]] = lambda results: iter(())
    """What was asked for."""


def write(folder: Path, page: Path, picture: Path) -> None:
    """Writes the page of all files in a folder, and the picture of decoding's speed that it shows.

    Raises FileNotFoundError where the folder holds none of them, ValueError that names a file which is not whole.
    """
    found = [(section, file) for section in SECTIONS for file in sorted(folder.glob(section.file))]
    if not found and not (folder / decoding.FILE).is_file():
        raise FileNotFoundError(f"{folder}: holds no file of a benchmark ({decoding.FILE}, ...); run `make bench`")
    parts = [HEAD]
    if (folder / decoding.FILE).is_file():
        results = _read(folder / decoding.FILE)
        parts.append(_checked(folder / decoding.FILE, partial(decoding.section, results, picture.name)))
        decoding.draw(results, picture)
    for section, file in found:
        parts.append(_checked(file, partial(_render, section, file)))
    page.write_text("\n".join(parts), encoding="utf-8")


def _read(file: Path) -> dict[str, Any]:
    try:
        results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{file}: is no JSON ({error})") from error
    return results


def _checked(file: Path, render: Callable[[], str]) -> str:
    try:
        return render()
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file}: is not what its benchmark writes ({type(error).__name__}: {error})") from error


def _render(section: Section, file: Path) -> str:
    results = _read(file)
    ran = {name: results.get(name) for name in RAN}
    when = ran["date"] or date.fromtimestamp(file.stat().st_mtime).isoformat()
    facts = [f"`{ran['command'] or section.command}`, {when}"]
    facts += [str(ran["processor"])] if ran["processor"] else []
    facts += [decoding.versions(ran["versions"])] if ran["versions"] else []
    facts += [f"{name} {text(value)}" for name, value in results.items() if name not in RAN and not _is_table(value)]
    lines = [f"## {section.title}", "", section.explain, "", f"{'; '.join(facts)}.", ""]
    measured = {name: value for name, value in results.items() if name not in RAN}
    lines += targets_table(list(section.targets(measured)))
    names = dict(section.names)
    for heading, rows in section.tables(measured):
        lines += [f"**{heading}**", ""] if heading else []
        lines += [*table(rows, names), ""]
    return "\n".join(lines)


def table(rows: Rows, names: Mapping[str, str]) -> list[str]:
    """Lines of Markdown."""
    columns = list(next(iter(rows.values())))
    lines = [f"| | {' | '.join(names.get(column, column) for column in columns)} |", "|---" * (len(columns) + 1) + "|"]
    return lines + [f"| {row} | {' | '.join(text(values[name]) for name in columns)} |" for row, values in rows.items()]


def text(value: Any) -> str:
    """A value as the page shows it, numbers with three digits or whole."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,.0f}" if isinstance(value, int) or abs(value) >= 1000 else f"{value:.3g}"


def nested(results: Mapping[str, Any], heading: str = "") -> Iterator[tuple[str, Rows]]:
    """Tables of a file that nests rows in groups: what has the same columns stands in one table."""
    groups: dict[tuple[str, ...], dict[str, Mapping[str, Any]]] = {}
    for name, value in results.items():
        if _is_table(value) and not any(map(_is_table, value.values())):
            groups.setdefault(tuple(value), {})[name] = value
    yield from ((heading, rows) for rows in groups.values())
    for name, value in results.items():
        if _is_table(value) and any(map(_is_table, value.values())):
            yield from nested(value, name)


def _is_table(value: Any) -> bool:
    return isinstance(value, Mapping)


def _long_inputs(results: Mapping[str, Any]) -> Iterator[tuple[str, Rows]]:
    rows = {}
    for name, case in results["cases"].items():
        short, long = case["lengths"]
        rows[name] = {
            "tokens": f"{short['length']:,} and {long['length']:,}",
            "peak, MB": f"{short['peak_bytes'] / 1e6:,.0f} and {long['peak_bytes'] / 1e6:,.0f}",
            "ratio": case["ratio"],
            "one layer's scores whole, MB": long["square_bytes"] / 1e6,
        }
    yield "", rows


def _grammars(results: Mapping[str, Any]) -> Iterator[tuple[str, Rows]]:
    for setting, row in results.items():
        if _is_table(row):
            yield (
                f"{setting}: a step takes {1e3 * row['step']:.3g} ms",
                {
                    name: {"µs": 1e6 * cost["seconds"], "share of a step": cost["share"], "calls": cost["calls"]}
                    for name, cost in row.items()
                    if _is_table(cost)
                },
            )


def _cheap(results: Mapping[str, Any]) -> Iterator[Target]:
    shares = [cost["share"] for row in results.values() if _is_table(row) for cost in row.values() if _is_table(cost)]
    if shares:
        yield Target(what="the dearest grammar's share of a step", asked=0.05, found=max(shares), most=True)


def _linear(results: Mapping[str, Any]) -> Iterator[Target]:
    for name in ("encoder", "answer"):
        if name in results["cases"]:
            ratio = results["cases"][name]["ratio"]
            yield Target(what=f"{name}: memory for twice the tokens", asked=2.2, found=ratio, most=True)


def _equal(results: Mapping[str, Any]) -> Iterator[Target]:
    if "int8" in results:
        yield Target(what="int8: the same next token", asked=0.99, found=results["int8"]["same next token"])


def _speech(results: Mapping[str, Any]) -> Iterator[tuple[str, Rows]]:
    rows = {}
    for name, row in results["rows"].items():
        ours, theirs = row["operations"], row["transformers, operations"]
        rows[name] = {
            "frames/s": row["frames/s"],
            "transformers, frames/s": row["transformers, frames/s"],
            "times as fast": row["times as fast"],
            "seconds for a second": row["real-time factor"],
            "transformers, seconds for a second": row["transformers, real-time factor"],
            "GFLOP": ours["flops"] / 1e9,
            "transformers, GFLOP": theirs["flops"] / 1e9,
            "calls of operators": f"{ours['calls']:,.0f} and {theirs['calls']:,.0f}",
            "farthest apart": row["farthest apart"],
        }
    yield "", rows


def _twice(results: Mapping[str, Any]) -> Iterator[Target]:
    ways = {name: row["times as fast"] for name, row in results["rows"].items() if name.startswith("tts, batch 8")}
    if ways:
        best = max(ways, key=ways.__getitem__)
        yield Target(what="tts, batch 8: times as fast", asked=2.0, found=ways[best], by=f"{best} / transformers")


_TIMED = (("first_seconds", "ours, s"), ("second_seconds", "transformers, s"))
SECTIONS = (
    Section(
        file="bench_long_input.json",
        title="Long inputs",
        command="python scripts/bench_long_input.py",
        explain="The peak of memory above the loaded model, for two lengths of the source; a ratio of 2 is linear.",
        tables=_long_inputs,
        targets=_linear,
    ),
    Section(
        file="bench_speech.json",
        title="Speech",
        command="python -m scripts.bench_speech",
        explain="SpeechT5's released sizes in float32 with random weights, beside transformers with the same: a fixed "
        "number of steps, ragged sources. Operations are counted of one call.",
        tables=_speech,
        targets=_twice,
    ),
    Section(
        file="bench_grammars.json",
        title="Grammars",
        command="python -m scripts.bench_grammars",
        explain="What holding a decoder to a grammar costs of a step: CPU time of one thread, T5-small's shape.",
        tables=_grammars,
        targets=_cheap,
    ),
    Section(
        file="bench_int8.json",
        title="Narrow weights",
        command="python scripts/bench_int8.py",
        explain="Kernels: microseconds a call of one linear map. Speed: tokens a second of a T5-small shape.",
        tables=nested,
    ),
    Section(
        file="bench_agreement*.json",
        title="Narrow weights: agreement",
        command="python scripts/bench_agreement.py",
        explain="How often a trained model names the same next token of real text as in float32.",
        tables=nested,
        targets=_equal,
    ),
    Section(
        file="bench.json",
        title="A training step, and the encoder's pass",
        command="python scripts/bench.py",
        explain="A T5-small in float32 beside transformers with the same weights; a ratio below 1 says that ours is "
        "faster.",
        tables=nested,
        names=_TIMED,
    ),
    Section(
        file="bench_training.json",
        title="Training",
        command="python scripts/bench_training.py",
        explain="Whole runs of a T5-small beside transformers' Seq2SeqTrainer: seconds for a thousand real entries; a "
        "ratio above 1 says that ours is faster.",
        tables=nested,
        names=_TIMED,
    ),
    Section(
        file="bench_loading.json",
        title="Loading",
        command="python scripts/bench_loading.py",
        explain="SmolLM2-135M from its file; peaks are over the bytes of the weights, `use` goes on to the first pass.",
        tables=nested,
    ),
    Section(
        file="checkpoints.json",
        title="Checkpoints while training",
        command="python scripts/bench_checkpoints.py",
        explain="How long a step waits for its checkpoint, written at once and in the background.",
        tables=nested,
    ),
)
