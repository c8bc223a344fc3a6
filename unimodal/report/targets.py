"""What was asked of a benchmark beside what came out."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True, kw_only=True)
class Target:
    """A figure that was asked for; whether it is held is computed, never said."""

    what: str
    asked: float
    found: float
    by: str = ""
    """Whose figure it is, and beside whose."""
    most: bool = False
    """Whether the figure may be at most what was asked, where others are at least that."""

    @property
    def held(self) -> bool:
        """Whether what was found is what was asked, or better."""
        return self.found <= self.asked if self.most else self.found >= self.asked


def targets_table(targets: Sequence[Target]) -> list[str]:
    """Lines of Markdown, none where nothing was asked."""
    if not targets:
        return []
    lines = ["| asked | | measured | | by |", "|---|---|---|---|---|"]
    for target in targets:
        bound = f"at {'most' if target.most else 'least'} {target.asked:g}"
        held = "held" if target.held else "**not held**"
        lines.append(f"| {target.what} | {bound} | {target.found:.3g} | {held} | {target.by} |")
    return [*lines, ""]
