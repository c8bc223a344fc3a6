"""docs/systems.md is what `make docs` writes."""

from pathlib import Path

from unimodal.systems.catalogue import rows
from unimodal.systems.table import table

PAGE = Path(__file__).resolve().parents[3] / "docs" / "systems.md"


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == table(), "run `make docs`"


def test_every_row_stands_on_the_page_once() -> None:
    page = table()
    assert all(page.count(f"| `{row.slug}` ") == 1 for row in rows())
    widths = {
        line.count("|") - line.count("\\|") for line in page.splitlines() if line.startswith("| ") and "`" in line
    }
    assert len(widths) == 1
