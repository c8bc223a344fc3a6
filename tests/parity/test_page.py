"""docs/checkpoints.md names every family, model type and case that there is, and all of them agree."""

from pathlib import Path

import pytest

from tests.parity.cases import CASES
from tests.parity.page import COLUMNS, HEAD, Measured, described, families, results
from unimodal.conversions.families import FAMILIES

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "checkpoints.md").read_text(encoding="utf-8")
ROWS = [[cell.strip() for cell in line.split("|")[1:-1]] for line in PAGE.splitlines() if line.startswith("| `")]


def test_the_page_is_that_of_todays_families_and_cases() -> None:
    assert PAGE.startswith(HEAD)
    expected = [described(family, cases) for family, cases in families(CASES).items()]
    assert [row[:4] for row in ROWS] == expected, "run `make checkpoints`"


def test_every_model_type_stands_on_the_page_once() -> None:
    named = [name.strip("`") for row in ROWS for name in row[1].split(", ")]
    assert sorted(named) == sorted(FAMILIES)


def test_what_was_measured_agrees() -> None:
    assert all(len(row) == len(COLUMNS) for row in ROWS)
    assert all(float(row[6]) <= 1e-4 for row in ROWS)
    assert "differ" not in {cell for row in ROWS for cell in row[7:]}


@pytest.mark.parametrize(("second", "said"), [({1: True, 4: True}, "the same"), ({1: False, 4: True}, "differ")])
def test_one_case_that_differs_is_said(second: dict[int, bool], said: str) -> None:
    ran = [
        Measured(("input_ids",), ("logits",), difference, same)
        for difference, same in ((3e-7, {1: True}), (2e-6, second))
    ]
    assert results(ran) == ["`input_ids`", "logits", "2e-06", said, "the same"]
