"""Tree edit similarity of tables, against edits that are counted by hand."""

import pytest

from unimodal.html_tables import HtmlTable
from unimodal.tasks.metrics.trees import TableSimilarity

ROWS = "<tr><td>ab</td><td>c</td></tr><tr><td>d</td><td>e</td></tr>"
TABLE = HtmlTable.parse(f"<table>{ROWS}</table>")
"""Eight nodes: the table, its body, two rows, four cells."""


@pytest.mark.parametrize(
    ("page", "expected", "structure"),
    [
        (f"<table>{ROWS}</table>", 1.0, 1.0),
        (f"<table>{ROWS.replace('ab', 'xb')}</table>", 1 - 0.5 / 8, 1.0),
        (f"<table>{ROWS.replace('ab', 'xyz')}</table>", 1 - 1 / 8, 1.0),
        ("<table><tr><td>ab</td><td>c</td></tr></table>", 1 - 3 / 8, 1 - 3 / 8),
        ("<table><tr><td colspan=2>ab</td></tr><tr><td>d</td><td>e</td></tr></table>", 1 - 2 / 8, 1 - 2 / 8),
        ("<table><tr><th>ab</th><th>c</th></tr><tr><td>d</td><td>e</td></tr></table>", 1 - 3 / 9, 1 - 3 / 9),
    ],
    ids=["same", "a letter", "a text", "a row", "spans", "a head"],
)
def test_edits_cost_what_the_paper_says(page: str, expected: float, structure: float) -> None:
    other = HtmlTable.parse(page)
    for first, second in ((TABLE, other), (other, TABLE)):
        assert TableSimilarity()([first], [second]) == pytest.approx(expected)
        assert TableSimilarity(structure_only=True)([first], [second]) == pytest.approx(structure)


def test_a_set_has_the_mean_of_its_tables() -> None:
    short = HtmlTable.parse("<table><tr><td>ab</td><td>c</td></tr></table>")
    assert TableSimilarity()([TABLE, short], [TABLE, TABLE]) == pytest.approx((1 + 5 / 8) / 2)
