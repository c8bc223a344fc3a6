"""Measurements as SVG that takes its colours from the page: loss curves and alignments.

t entries of the answer, s entries of the prompt
"""

import csv
import io
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor

# Colours that nothing else has, exchanged for the page's own after drawing.
INK, ACCENT, SECOND = "#010203", "#010204", "#010205"
VARIABLES = {INK: "currentColor", ACCENT: "var(--accent)", SECOND: "var(--second)"}
STYLE: dict[Any, Any] = {
    "svg.fonttype": "none",  # text stays text, in the page's font
    "svg.hashsalt": "unimodal",
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "axes.linewidth": 0.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": INK,
    "ytick.color": INK,
    "xtick.major.width": 0.5,
    "ytick.major.width": 0.5,
}
MIDDLE = (0.27, 0.51, 0.86)
"""A blue that is read on white and on black: pixels cannot take the page's colours."""
OPPOSED = (0.86, 0.33, 0.27)
"""The same in red."""
MOST_POINTS = 300
MOST_LABELS = 48


@final
@dataclass
class Curve:
    """Losses by step: of training, smoothed, and of validation."""

    train: list[tuple[int, float]] = field(default_factory=list)
    validation: list[tuple[int, float]] = field(default_factory=list)


def read_curves(metrics: Path) -> dict[str, dict[str, Curve]]:
    """{task: {term: curve}} of a run's `metrics.csv`: its columns are `train/TASK/TERM` and `validation/TASK/TERM`."""
    curves: dict[str, dict[str, Curve]] = {}
    with metrics.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for column, value in row.items():
                split, _, name = column.partition("/")
                task, _, term = name.partition("/")
                if not term or not value or split not in ("train", "validation"):
                    continue
                curve = curves.setdefault(task, {}).setdefault(term, Curve())
                points = curve.train if split == "train" else curve.validation
                if split == "validation" or not points or points[-1][1] != float(value):  # a step without the task
                    points.append((int(row["step"]), float(value)))
    return dict(sorted(curves.items()))


def loss(term: Curve, name: str) -> Markup:
    """One curve: training as a line, validation as a dashed line with points."""

    def draw(axes: Any) -> None:
        steps, values = _smoothed(term.train)
        axes.plot(steps, values, color=ACCENT, linewidth=1.4)
        if term.validation:
            axes.plot(*zip(*term.validation, strict=True), "o--", color=SECOND, linewidth=0.8, markersize=3)
        settled = [*values[len(values) // 10 :], *(value for _, value in term.validation)]
        low, high = min(settled), max(settled)
        axes.set_ylim(low - 0.1 * (high - low + 1e-6), high + 0.15 * (high - low + 1e-6))
        axes.locator_params(axis="both", nbins=4)
        axes.grid(axis="y", color=INK, alpha=0.12, linewidth=0.5)

    return _drawn(draw, width=2.7, height=1.5, label=f"loss {name}")


def alignment(weights: Float[Tensor, "t s"], *, read: Sequence[str], written: Sequence[str], label: str) -> Markup:
    """Attention of every entry of the answer (down) to every entry of the prompt (across); names where they are few."""

    def draw(axes: Any) -> None:
        pixels = weights.new_tensor([*MIDDLE, 1.0]).repeat(*weights.shape, 1)
        pixels[..., 3] = weights.sqrt()  # so that a tenth of the attention is still seen
        place = (0, weights.shape[1], weights.shape[0], 0)
        axes.imshow(pixels.cpu().numpy(), aspect="auto", interpolation="none", extent=place)
        _name(axes.xaxis, read, rotation=90)
        _name(axes.yaxis, written)
        axes.spines[:].set_visible(True)

    return _drawn(draw, width=5.4, height=3.6, label=label)


def cosines(values: Float[Tensor, "k k"], *, names: Sequence[str], label: str) -> Markup:
    """Cosines between k directions as a heat map: blue agrees, red opposes, empty was not measured."""

    def draw(axes: Any) -> None:
        pixels = values.new_tensor([*MIDDLE, 1.0]).repeat(*values.shape, 1)
        pixels[values < 0, :3] = values.new_tensor(OPPOSED)
        pixels[..., 3] = values.nan_to_num().abs().clamp(max=1).sqrt()
        axes.imshow(pixels.cpu().numpy(), aspect="equal", interpolation="none", extent=(0, len(names), len(names), 0))
        for row, line in enumerate(values.tolist()):
            for column, value in enumerate(line):
                if value == value and row != column:  # not a number: the two never met in a batch
                    place = (column + 0.5, row + 0.5)
                    axes.text(*place, f"{value:.2f}", ha="center", va="center", size=5.5)
        _name(axes.xaxis, names, rotation=90)
        _name(axes.yaxis, names)
        axes.spines[:].set_visible(True)

    return _drawn(draw, width=4.4, height=4.4, label=label)


def _name(axis: Any, names: Sequence[str], rotation: int = 0) -> None:
    if names and len(names) <= MOST_LABELS:
        labels = [name.replace("$", r"\$") for name in names]  # no formulas
        axis.set_ticks([place + 0.5 for place in range(len(names))], labels=labels, rotation=rotation, size=6.5)
        axis.set_tick_params(length=0)


def _smoothed(points: Sequence[tuple[int, float]]) -> tuple[list[int], list[float]]:
    """Means of equal stretches, at most 300 of them; a few points as they are."""
    width = max(1, -(-len(points) // MOST_POINTS), len(points) // 60)
    stretches = [points[start : start + width] for start in range(0, len(points), width)]
    steps = [stretch[len(stretch) // 2][0] for stretch in stretches]
    return steps, [sum(value for _, value in stretch) / len(stretch) for stretch in stretches]


def _drawn(draw: Callable[[Any], None], *, width: float, height: float, label: str) -> Markup:
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        draw(figure.subplots())
        file = io.StringIO()
        figure.savefig(file, format="svg", transparent=True, metadata={"Date": None})
    return Markup(_inline(file.getvalue(), label))


def _inline(svg: str, label: str, variables: Mapping[str, str] = VARIABLES) -> str:
    """The drawing as an element of a page: without prologue, as wide as its place, in the page's colours."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r"font-family: [^;\"]*", "font-family: inherit", svg)
    svg = re.sub(r"font: ([\d.]+px) [^;\"]*", r"font-size: \1", svg)
    for colour, variable in variables.items():
        svg = svg.replace(colour, variable)
    return svg.replace("<svg", f'<svg role="img" aria-label="{Markup.escape(label)}"', 1)
