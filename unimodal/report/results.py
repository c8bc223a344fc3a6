"""The demo's scores as a table for a page in Markdown, and as a picture beside it."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- results: written by scripts/results.py -->", "<!-- end of results -->"
INK, PALE = "#1f6feb", "#9aa4b2"


def update(page: Path, metrics: Path, picture: Path) -> None:
    """Writes the scores between the page's marks, and the picture that it shows.

    Raises ValueError that names the file where the marks or the scores are missing.
    """
    text = page.read_text(encoding="utf-8")
    if BEGIN not in text or END not in text:
        raise ValueError(f"{page}: has no place for results, from '{BEGIN}' to '{END}'")
    rows = json.loads(metrics.read_text(encoding="utf-8"))
    if not rows:
        raise ValueError(f"{metrics}: holds no scores")
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    page.write_text(f"{before}{BEGIN}\n{table(rows)}\n{END}{after}", encoding="utf-8")
    draw(rows, picture)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """One line a task; what beats the strongest trivial answer is bold."""
    lines = ["| task | reads | metric | model | best trivial answer | examples |", "|---|---|---|---|---|---|"]
    for row in rows:
        value = f"**{row['value']:.3g}**" if _better(row) else f"{row['value']:.3g}"
        if "base_value" in row:
            value += f" with LoRA, {row['base_value']:.3g} without"
        arrow = "↑" if row["higher_is_better"] else "↓"
        cells = (row["task"], row["modality"], f"{row['metric']} {arrow}", value, f"{row['baseline_value']:.3g}")
        lines.append(f"| {' | '.join(cells)} | {row['n_test']} |")
    return "\n".join(lines)


def draw(rows: Sequence[Mapping[str, Any]], picture: Path) -> None:
    """A bar a task: how far the model is from the trivial answer, as a ratio of which above 1 is better."""
    from matplotlib.figure import Figure

    gains = sorted((_gain(row), str(row["task"])) for row in rows)
    figure = Figure(figsize=(7, 0.3 * len(gains) + 0.7), layout="constrained")
    axes = figure.subplots()
    colours = [INK if gain > 1 else PALE for gain, _ in gains]
    axes.barh([task for _, task in gains], [gain - 1 for gain, _ in gains], left=1, color=colours)
    axes.axvline(1, color="#57606a", linewidth=1)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda gain, _: f"{gain:g}")
    axes.set_xlabel("score over the best trivial answer's (errors: the other way round)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(picture, metadata={"Date": None})


def _better(row: Mapping[str, Any]) -> bool:
    gain = row["value"] - row["baseline_value"]
    return bool(gain > 0 if row["higher_is_better"] else gain < 0)


def _gain(row: Mapping[str, Any]) -> float:
    value, trivial = max(float(row["value"]), 1e-3), max(float(row["baseline_value"]), 1e-3)
    return value / trivial if row["higher_is_better"] else trivial / value
