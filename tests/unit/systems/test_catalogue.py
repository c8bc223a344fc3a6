"""The catalogue of published methods is whole, and its states are only what was recorded."""

from collections import Counter
from pathlib import Path

import pytest

from unimodal.measuring.measure import Direction, Evidence
from unimodal.systems.catalogue import RESULTS, Result, State, find, record, recorded, rows

EVIDENCE = Evidence(
    seeds=[0, 1, 2], method=[2.0, 3.0, 2.5], baseline=[1.0, 1.4, 1.2], threshold=1.1, direction=Direction.HIGHER
)


def test_there_are_97_rows_in_order() -> None:
    assert [row.number for row in rows()] == list(range(1, 98))
    assert (
        len({row.slug for row in rows()})
        == len({row.title for row in rows()})
        == len({row.paper for row in rows()})
        == 97
    )


def test_families_have_their_known_sizes() -> None:
    sizes = Counter(row.family for row in rows())
    assert len(sizes) == 21
    assert sizes["verifying and draft training"] == 9 and sizes["drafting: features and heads"] == 6
    assert sizes["perception"] == sizes["text, tables, code"] == 7 and sizes["communication"] == 2


def test_a_drafting_method_is_lossless_unless_it_accepts_more_than_the_target_would() -> None:
    drafting = {row.slug: row.lossless for row in rows() if row.family.startswith("drafting")}
    assert {slug for slug, lossless in drafting.items() if not lossless} == {"lud", "rapid"}
    assert all(row.lossless is False for row in rows() if row.family in ("guided sampling", "diffusion decoding"))


def test_years_and_identifiers_are_plausible() -> None:
    assert all(2016 < row.year < 2027 for row in rows())
    for row in rows():
        if row.arxiv is not None:
            assert len(row.arxiv) == 10 and 2000 + int(row.arxiv[:2]) <= row.year + 1


def test_an_unknown_slug_names_the_nearest() -> None:
    assert find("mor").title == "Mixture-of-Recursions"
    with pytest.raises(ValueError, match="unknown system 'kangroo'; did you mean 'kangaroo'?"):
        find("kangroo")
    with pytest.raises(ValueError, match="`unimodal systems list` names them"):
        find("zzzzzzzz")


def test_recording_there_and_back(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    path.write_text("{}")
    without = recorded(path)
    assert set(without.values()) == {Result(state=State.NOT_BUILT), Result(state=State.NOT_MEASURED)}
    assert {slug for slug, result in without.items() if result.state is State.NOT_MEASURED} == {
        row.slug for row in rows() if row.config is not None
    }
    good = Result(state=State.REPRODUCED, measured=EVIDENCE)
    bad = Result(state=State.NOT_REPRODUCED, failed=("cached = uncached: 3 of 9 differ",))
    record("swift", good, path)
    record("clover", bad, path)
    assert recorded(path)["swift"] == good and recorded(path)["clover"] == bad
    assert recorded(path)["mor"].state is State.NOT_BUILT
    record("swift", Result(state=State.NOT_BUILT), path)
    assert "swift" not in path.read_text() and recorded(path)["clover"] == bad


def test_the_committed_results_name_known_systems() -> None:
    """A row that has a config, or even a result, has a module, and the other way round."""
    built = {slug for slug, result in recorded().items() if result.state is not State.NOT_BUILT}
    tools = {"__init__", "catalogue", "check", "table", "texts"}
    modules = {path.stem.replace("_", "-") for path in RESULTS.parent.glob("*.py") if path.stem not in tools}
    assert built == modules
