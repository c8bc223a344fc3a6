"""What `scripts.bench_decoding` measured: tables in Markdown beside what was asked for, and a picture."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from unimodal.report.targets import Target, targets_table

FILE = "bench_decoding.json"
OURS = "unimodal"
INK, PALE = "#1f6feb", "#9aa4b2"
GREEDY, EIGHT, BEAM = "greedy, batch 1", "greedy, batch 8", "beam 4, batch 8"
FASTER = {GREEDY: 1.3, EIGHT: 1.3, BEAM: 1.2}
"""How often the tokens a second of the best rival in float32 ours should give."""
FASTER_IN_INT8 = {GREEDY: 2.0, EIGHT: 2.0}
OF_THE_LIMIT = 0.8
"""Of what the machine's bandwidth allows at batch 1 in float32."""


EXPLAINED = """\
Random weights, the same for all; medians, with the lowest and the highest round. Tokens a second are of whole calls,
the encoder's pass included; the first token's time is that of a call which asks for one. MB a step: weights, keys and
values that a step cannot help reading; the share of the limit is that, times the steps a second behind the first
token, over the bandwidth (a processor's cache that holds a part of narrow weights can bring it above 1). Peak:
resident memory while answering, above what the imports took. Equal: answers, and tokens place by place, as
transformers' in float32; weights are random, so a tie that is rounded otherwise changes all that follows it."""


def section(results: Mapping[str, Any], picture: str) -> str:
    """The part of the page. `picture`: what `draw` wrote, as the page finds it."""
    lines = [
        "## Decoding",
        "",
        f"![tokens a second by contender]({picture})",
        "",
        f"`{results['command']}`, {results['date']}, {results['minutes']:.1f} minutes; {results['processor']}; "
        f"{versions(results['versions'])}; {results['threads']} threads. Sources of {results['source']} tokens, "
        f"answers of {results['tokens']}. Read bandwidth in the same run: {results['bandwidth'] / 1e9:.1f} GB/s.",
        "",
        EXPLAINED,
        "",
        *targets_table(targets(results)),
    ]
    for shape, measured in results["shapes"].items():
        lines += [f"### {shape}", ""]
        for setting, rows in measured["settings"].items():
            lines += [f"**{setting}**", "", *_rows(rows), ""]
        lines += [f"{name}: {reason}.\n" for name, reason in measured["failures"].items()]
    return "\n".join(lines)


def versions(found: Mapping[str, str | None]) -> str:
    """Those of the packages that were there."""
    return ", ".join(f"{name} {value}" for name, value in found.items() if value)


def targets(results: Mapping[str, Any]) -> list[Target]:
    """Everything that was asked for and was measured."""
    return [target for shape in results["shapes"] for target in _targets_of(results, shape)]


def _targets_of(results: Mapping[str, Any], shape: str) -> Iterator[Target]:
    settings = results["shapes"][shape]["settings"]
    kinds = results["contenders"]
    floats = [name for name in kinds if kinds[name]["numbers"] == "float32"]
    ours = [name for name in floats if kinds[name]["library"] == OURS]
    rivals = [name for name in floats if kinds[name]["library"] != OURS]
    same = [
        rows[name]["same answers"]
        for rows in settings.values()
        for name in ours
        if "same answers" in rows.get(name, {})
    ]
    if same:
        yield Target(what=f"{shape}: float32 answers equal to transformers'", asked=1.0, found=min(same), by="all ours")
    for setting, asked in FASTER.items():
        yield from _ratio(f"{shape}: float32, {setting}, over the best rival", asked, settings, setting, ours, rivals)
    narrow = [name for name in kinds if kinds[name]["numbers"] == "int8"]
    for setting, asked in FASTER_IN_INT8.items():
        mine = [name for name in narrow if kinds[name]["library"] == OURS]
        theirs = [name for name in narrow if kinds[name]["library"] != OURS]
        yield from _ratio(f"{shape}: int8, {setting}, over the best rival's", asked, settings, setting, mine, theirs)
    best = _best(settings.get(GREEDY, {}), ours)
    if best is not None:
        share = settings[GREEDY][best]["share of limit"]
        yield Target(what=f"{shape}: float32, {GREEDY}, share of the limit", asked=OF_THE_LIMIT, found=share, by=best)


def _ratio(
    what: str, asked: float, settings: Mapping[str, Any], setting: str, ours: Sequence[str], rivals: Sequence[str]
) -> Iterator[Target]:
    rows = settings.get(setting, {})
    mine, theirs = _best(rows, ours), _best(rows, rivals)
    if mine is not None and theirs is not None:
        yield Target(what=what, asked=asked, found=_rate(rows[mine]) / _rate(rows[theirs]), by=f"{mine} / {theirs}")


def _best(rows: Mapping[str, Any], names: Sequence[str]) -> str | None:
    """Of those that answered the fastest one."""
    answered = [name for name in names if "tokens/s" in rows.get(name, {})]
    return max(answered, key=lambda name: _rate(rows[name]), default=None)


def _rate(row: Mapping[str, Any]) -> float:
    rate: float = row["tokens/s"]["median"]
    return rate


def _rows(rows: Mapping[str, Any]) -> list[str]:
    columns = ["tokens/s", "peak, MiB"]
    if any("first token s" in row for row in rows.values()):
        columns += ["first token, ms", "MB a step", "share of the limit", "equal answers", "equal tokens"]
    lines = [f"| | {' | '.join(columns)} |", "|---" * (len(columns) + 1) + "|"]
    for name, row in rows.items():
        cells = [row["failure"]] if "failure" in row else _cells(row)
        cells += [""] * (len(columns) - len(cells))
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def _cells(row: Mapping[str, Any]) -> list[str]:
    rate = row["tokens/s"]
    cells = [f"{rate['median']:,.0f} ({rate['low']:,.0f} to {rate['high']:,.0f})", f"{row['peak bytes'] / 2**20:,.0f}"]
    if "first token s" not in row:
        return cells
    return [
        *cells,
        f"{1000 * row['first token s']['median']:.0f}",
        f"{row['step bytes'] / 1e6:.3g}",
        f"{row['share of limit']:.0%}",
        f"{row['same answers']:.0%}",
        f"{row['same tokens']:.1%}",
    ]


def draw(results: Mapping[str, Any], picture: Path) -> None:
    """A bar a contender, a small diagram a shape and setting; ours are blue."""
    import matplotlib
    from matplotlib.figure import Figure

    shapes = results["shapes"]
    settings = [setting for setting in (GREEDY, EIGHT, BEAM) if any(setting in shapes[s]["settings"] for s in shapes)]
    size = (3.1 * len(settings) + 1.2, (0.2 * len(results["contenders"]) + 0.5) * len(shapes))
    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": OURS, "font.size": 8}):
        figure = Figure(figsize=size, layout="constrained")
        grid = figure.subplots(len(shapes), len(settings), sharey=True, squeeze=False)
        for line, (shape, measured) in zip(grid, shapes.items(), strict=True):
            for axes, setting in zip(line, settings, strict=True):
                axes.set_title(f"{shape}, {setting}: tokens/s", fontsize=8)
                _bars(axes, results["contenders"], measured["settings"].get(setting, {}))
        grid[0, 0].invert_yaxis()
        figure.savefig(picture, format="svg", metadata={"Date": None})


def _bars(axes: Any, contenders: Mapping[str, Any], rows: Mapping[str, Any]) -> None:
    rates = [_rate(rows[name]) if "tokens/s" in rows.get(name, {}) else 0.0 for name in contenders]
    colours = [INK if kind["library"] == OURS else PALE for kind in contenders.values()]
    bars = axes.barh(list(contenders), rates, color=colours)
    missing = ["failed" if name in rows else "" for name in contenders]
    labels = [f"{rate:,.0f}" if rate else label for rate, label in zip(rates, missing, strict=True)]
    axes.bar_label(bars, labels, padding=2, fontsize=7)
    axes.set_xlim(0, 1.2 * max(*rates, 1.0))
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)
