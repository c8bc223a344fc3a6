"""How alike two tables are, as trees of rows and cells.

p pairs
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from jaxtyping import Float

from unimodal.codecs.tables import Cell
from unimodal.html_tables import HtmlTable
from unimodal.tasks.metrics import Mean, paired, require


@final
@dataclass(frozen=True)
class Node:
    """A part of a table: its tag with its spans, its text, and the parts that it has."""

    tag: str
    text: str = ""
    children: list["Node"] = field(default_factory=list)

    @property
    def size(self) -> int:
        """Nodes, this one included."""
        return 1 + sum(child.size for child in self.children)


@final
class TableSimilarity(Mean):
    """TEDS: one less the tree edit distance of two tables, as a share of the larger one's nodes (apted).

    Zhong et al. (2019, arXiv:1911.10683): leaving out or adding a row, a cell or a part of the table costs 1, a cell
    with other spans too, and one with another text the share of its characters that are edited. With `structure_only`
    texts do not count (S-TEDS).
    """

    higher_is_better = True

    def __init__(self, *, structure_only: bool = False) -> None:
        self.name = "S-TEDS" if structure_only else "TEDS"
        self._structure_only = structure_only

    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "p 1"]:
        apted, levenshtein = (
            require(module, extra="evaluate") for module in ("apted", "rapidfuzz.distance.Levenshtein")
        )

        class Costs(apted.Config):  # type: ignore[name-defined]
            def rename(self, one: Node, other: Node) -> float:
                if one.tag != other.tag:
                    return 1.0
                return float(levenshtein.normalized_distance(one.text, other.text))

        def alike(one: Any, other: Any) -> float:
            first, second = (_tree(table, with_texts=not self._structure_only) for table in (one, other))
            distance = apted.APTED(first, second, Costs()).compute_edit_distance()
            return 1.0 - float(distance) / max(first.size, second.size)

        return paired(alike, predictions, references)


def _tree(table: HtmlTable, *, with_texts: bool) -> Node:
    def node(cell: Cell[str]) -> Node:
        return Node(f"td {cell.height} {cell.width}", cell.content if with_texts else "")

    parts = [
        Node(tag, children=[Node("tr", children=[*map(node, cells)]) for cells in rows])
        for tag, rows in table.sections()
    ]
    return Node("table", children=parts)
