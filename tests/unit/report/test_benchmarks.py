"""The page of benchmarks says what their files say, and no more."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from unimodal.report.benchmarks import nested, text, write
from unimodal.report.decoding import targets

RUN = {
    "command": "python -m some.bench --rounds 3",
    "date": "2026-01-02",
    "processor": "A, 2 cores",
    "versions": {"torch": "9.9"},
}
GREEDY, EIGHT, BEAM, ENCODER = "greedy, batch 1", "greedy, batch 8", "beam 4, batch 8", "encoder, batch 8"


def spread(median: float) -> dict[str, float]:
    return {"median": median, "low": 0.9 * median, "high": 1.1 * median}


def row(rate: float, *, same: float = 1.0, share: float = 0.5) -> dict[str, Any]:
    return {
        "tokens/s": spread(rate),
        "peak bytes": 3 * 2**20,
        "first token s": spread(0.012),
        "steps/s": spread(rate),
        "step bytes": 158e6,
        "share of limit": share,
        "same answers": same,
        "same tokens": 1 - (1 - same) / 8,
        "distinct tokens": 30.0,
    }


def decoding() -> dict[str, Any]:
    """Ours are 1.5, 1.2 and 1.25 times the best rival in float32, and 2.5 and 1.5 times in int8."""
    kinds = {
        "theirs": ("transformers", "float32"),
        "rival": ("CTranslate2", "float32"),
        "rival8": ("CTranslate2", "int8"),
    }
    kinds |= {"slow": ("unimodal", "float32"), "fast": ("unimodal", "float32"), "int8": ("unimodal", "int8")}
    settings: dict[str, Any] = {
        GREEDY: [row(80), row(100), row(200), row(90), row(150, share=0.83), row(500)],
        EIGHT: [row(300), row(250), row(400), row(100), row(360), row(600, same=0.5)],
        BEAM: [row(100), row(80), row(110), row(90), row(125), row(200)],
    }
    named = {setting: dict(zip(kinds, rows, strict=True)) for setting, rows in settings.items()}
    named[EIGHT]["slow"] = {"failure": "not done within 120 s"}
    named[ENCODER] = {name: {"tokens/s": spread(1000), "peak bytes": 2**20} for name in ("theirs", "fast")}
    contenders = {name: {"library": library, "numbers": numbers} for name, (library, numbers) in kinds.items()}
    shape = {"weights": 7, "failures": {"int4": "no such part"}, "seconds": {}, "settings": named}
    facts = {"source": 128, "tokens": 128, "threads": 2, "bandwidth": 28e9, "minutes": 9.5}
    return {**RUN, **facts, "contenders": contenders, "shapes": {"T5-small": shape}}


def test_targets_are_the_best_of_ours_over_the_best_rival_of_the_same_numbers() -> None:
    found = {target.what.removeprefix("T5-small: "): target for target in targets(decoding())}
    held = {what: (round(target.found, 3), target.held) for what, target in found.items()}
    assert held == {
        "float32 answers equal to transformers'": (1.0, True),
        f"float32, {GREEDY}, over the best rival": (1.5, True),
        f"float32, {EIGHT}, over the best rival": (1.2, False),
        f"float32, {BEAM}, over the best rival": (1.25, True),
        f"int8, {GREEDY}, over the best rival's": (2.5, True),
        f"int8, {EIGHT}, over the best rival's": (1.5, False),
        f"float32, {GREEDY}, share of the limit": (0.83, True),
    }
    assert found[f"float32, {GREEDY}, over the best rival"].by == "fast / rival"


def test_one_wrong_answer_of_ours_is_a_target_missed() -> None:
    results = decoding()
    results["shapes"]["T5-small"]["settings"][BEAM]["slow"] = row(90, same=0.96)
    assert not targets(results)[0].held and targets(results)[0].found == 0.96


def test_what_was_not_measured_is_no_target() -> None:
    results = decoding()
    for rows in results["shapes"]["T5-small"]["settings"].values():
        for name in ("rival8", "fast", "slow"):
            rows.pop(name, None)
    assert targets(results) == []


def test_the_page_has_every_file_with_its_command_and_its_date(tmp_path: Path) -> None:
    timed = {"ratio": 0.9459, "first_seconds": 6.25, "second_seconds": 6.6, "rounds": 8}
    write_json(tmp_path / "bench_decoding.json", decoding())
    write_json(tmp_path / "bench.json", {**RUN, "batch": 8, "training step": timed, "encoder pass": timed})
    write_json(
        tmp_path / "bench_agreement_nano.json", {"model": "base", "int8": {"same next token": 0.993, "tokens": 4096}}
    )
    length = {"length": 8192, "peak_bytes": 50_000_000, "square_bytes": 2**31, "cpu_seconds": 3.0}
    cases = {"encoder": {"lengths": [length, {**length, "peak_bytes": 105_000_000}], "ratio": 2.1}}
    write_json(tmp_path / "bench_long_input.json", {**RUN, "cases": cases})
    cost = {"seconds": 0.00055, "share": 0.055, "calls": 21}
    write_json(tmp_path / "bench_grammars.json", {**RUN, "batch 1": {"step": 0.01, "table": cost}})
    page, picture = tmp_path / "benchmarks.md", tmp_path / "benchmarks.svg"
    write(tmp_path, page, picture)
    written = page.read_text(encoding="utf-8")
    assert written.count("`python -m some.bench --rounds 3`, 2026-01-02") == 4
    assert "torch 9.9" in written and "![tokens a second by contender](benchmarks.svg)" in written
    assert "| fast | 150 (135 to 165) | 3 | 12 | 158 | 83% | 100% | 100.0% |" in written
    assert "| slow | not done within 120 s |" in written
    assert "int4: no such part." in written
    assert (
        "| training step | 0.946 | 6.25 | 6.6 | 8 |" in written and "| | ratio | ours, s | transformers, s |" in written
    )
    assert re.search(r"`python scripts/bench_agreement.py`, \d{4}-\d\d-\d\d; model base\.", written)
    assert "| int8: the same next token | at least 0.99 | 0.993 | held |  |" in written
    assert "| encoder: memory for twice the tokens | at most 2.2 | 2.1 | held |  |" in written
    assert (
        "| T5-small: int8, greedy, batch 8, over the best rival's | at least 2 | 1.5 | **not held** | int8 / rival8 |"
        in written
    )
    assert "| the dearest grammar's share of a step | at most 0.05 | 0.055 | **not held** |  |" in written
    assert "**batch 1: a step takes 10 ms**" in written and "| table | 550 | 0.055 | 21 |" in written
    assert "| encoder | 8,192 and 8,192 | 50 and 105 | 2.1 | 2,147 |" in written
    assert picture.stat().st_size < 60_000 and "<text" in picture.read_text(encoding="utf-8")


def test_the_picture_is_the_same_every_time(tmp_path: Path) -> None:
    write_json(tmp_path / "bench_decoding.json", decoding())
    drawn = []
    for name in ("a.svg", "b.svg"):
        write(tmp_path, tmp_path / "page.md", tmp_path / name)
        drawn.append((tmp_path / name).read_bytes())
    assert drawn[0] == drawn[1]


@pytest.mark.parametrize("content", ['{"shapes": {"T5-small": 3}}', "[1", '{"command": "x"}'])
def test_a_broken_file_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "bench_decoding.json").write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match="bench_decoding.json: is n"):
        write(tmp_path, tmp_path / "page.md", tmp_path / "picture.svg")
    assert not (tmp_path / "page.md").exists()


def test_a_folder_without_benchmarks_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=f"^{tmp_path}: holds no file of a benchmark"):
        write(tmp_path, tmp_path / "page.md", tmp_path / "picture.svg")


def test_rows_of_equal_columns_are_one_table() -> None:
    results = {
        "rounds": 5,
        "ours": {"a": 1},
        "theirs": {"a": 2},
        "ratios": {"b": 0.5},
        "kernels": {"1 x 512": {"c": 3.0}},
    }
    assert list(nested(results)) == [
        ("", {"ours": {"a": 1}, "theirs": {"a": 2}}),
        ("", {"ratios": {"b": 0.5}}),
        ("kernels", {"1 x 512": {"c": 3.0}}),
    ]


@pytest.mark.parametrize(
    ("value", "shown"),
    [(1234567, "1,234,567"), (0.94594, "0.946"), (2403.6, "2,404"), (True, "True"), (None, ""), ("x", "x")],
)
def test_values_are_shown_with_three_digits(value: Any, shown: str) -> None:
    assert text(value) == shown


def write_json(file: Path, value: Any) -> None:
    file.write_text(json.dumps(value), encoding="utf-8")
