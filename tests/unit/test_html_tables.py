"""Tables as HTML: written and read back, and what people's pages hold besides."""

from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.laws.codec_cases import tables
from unimodal.codecs.tables import Cell
from unimodal.html_tables import HtmlTable

TIDY = st.text("abc <&>\"'é漢", max_size=4).map(lambda text: " ".join(text.split()))


@given(cells=tables(TIDY))
def test_what_is_written_is_read_back(cells: list[Cell[str]]) -> None:
    table = HtmlTable(tuple(cells))
    assert HtmlTable.parse(str(table)) == table
    assert HtmlTable.parse(f"<p>before<table-of></p>{table}<table><tr><td>another</table>") == table


@given(cells=tables(TIDY))
def test_tags_are_closed_in_order_and_the_head_holds_whole_cells(cells: list[Cell[str]]) -> None:
    open_tags = list[str]()

    class Reader(HTMLParser):
        def handle_starttag(self, tag: str, attrs: object) -> None:
            open_tags.append(tag)

        def handle_endtag(self, tag: str) -> None:
            assert open_tags.pop() == tag

    table = HtmlTable(tuple(cells))
    Reader().feed(str(table))
    assert not open_tags
    head = [cell for cell in cells if cell.row < table.num_head]
    assert all(cell.is_header and cell.row + cell.height <= table.num_head for cell in head)


def test_a_head_of_two_rows_is_written() -> None:
    cells = (
        Cell(0, 0, "tea & co", height=2, is_header=True),
        Cell(0, 1, "price", width=2, is_header=True),
        Cell(1, 1, "low", is_header=True),
        Cell(1, 2, "high", is_header=True),
        Cell(2, 0, "green"),
        Cell(2, 1, ""),
        Cell(2, 2, "3"),
    )
    assert str(HtmlTable(cells)) == (
        '<table><thead><tr><th rowspan="2">tea &amp; co</th><th colspan="2">price</th></tr>'
        "<tr><th>low</th><th>high</th></tr></thead>"
        "<tbody><tr><td>green</td><td></td><td>3</td></tr></tbody></table>"
    )


def test_pages_as_people_write_them_are_mended() -> None:
    page = "<TABLE><tr><td rowspan=9 colspan=x>a<br>b\n c<td>d<tr><th>e<td>f<tr></TABLE>"
    assert HtmlTable.parse(page).cells == (
        Cell(0, 0, "a b c", height=3),
        Cell(0, 1, "d"),
        Cell(0, 2, ""),
        Cell(1, 1, "e", is_header=True),
        Cell(1, 2, "f"),
        Cell(2, 1, ""),
        Cell(2, 2, ""),
    )
    crossing = "<table><tr><td>a<td rowspan=2>b<tr><td colspan=2>c</table>"
    assert [cell.width for cell in HtmlTable.parse(crossing).cells] == [1, 1, 1]


@pytest.mark.parametrize("span", ["0", "-1", "1001", "0001009999", "9" * 5000, "", "two", "²"])
def test_a_span_that_no_browser_takes_is_none(span: str) -> None:
    page = f'<table><tr><td colspan="{span}" rowspan="{span}">a<td>b<tr><td>c<td>d</table>'
    assert [(cell.height, cell.width) for cell in HtmlTable.parse(page).cells] == [(1, 1)] * 4
    assert HtmlTable.parse("<table><tr><td colspan=007>a</table>").cells == (Cell(0, 0, "a", width=7),)


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("", "no table"),
        ("<table></table>", "no table"),
        ("<td>alone</td>", "no table"),
        ("<table><tr><td><table><tr></table></table>", "within a table"),
        ("<table><tr>" + "<td>" * 10_001, "more than 10000"),
        ("<table>" + "<tr><td colspan=1000>" * 11, "more than 10000"),
        ("<table>" + "<tr>" * 101 + "<td colspan=100>", "more than 10000"),
    ],
)
def test_what_is_no_table_is_refused(page: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HtmlTable.parse(page)
