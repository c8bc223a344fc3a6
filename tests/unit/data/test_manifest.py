"""Manifests: which lines are rows, and which of the rows are held out."""

import json
import re
from pathlib import Path

import pytest

from unimodal.data.columns import Files
from unimodal.data.manifest import LONGEST_LINE, Division, Row, digest, divide, groups, read_rows

BAD = {
    b'{"answer": "a"': r"is no JSON \(.* at column 15\)",
    b"[1, 2]": r"is no JSON object",
    b'{"answer": "\xff"}': r"is not UTF-8 text",
    b"[" * 100_000: r"is no JSON \(nested too deep\)",
    b'{"group": 7}': r"group: expected a string, got 7",
    b'{"split": "dev"}': r"split: expected train or test, got 'dev'",
    b'{"a": "' + b"b" * LONGEST_LINE + b'"}': r"is longer than 1,000,000 bytes",
}


def test_lines_that_are_no_rows_are_told_by_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "manifest.jsonl"
    good = json.dumps({"answer": "1"}).encode()
    file.write_bytes(b"\n".join([b"\xef\xbb\xbf" + good, b"", *BAD, good, b"  "]))
    rows, rejected = read_rows(file)
    assert [(row.line, row.values) for row in rows] == [(1, {"answer": "1"}), (3 + len(BAD), {"answer": "1"})]
    assert [bad.line for bad in rejected] == list(range(3, 3 + len(BAD)))
    for bad, reason in zip(rejected, BAD.values(), strict=True):
        assert re.match(reason, bad.reason), bad


def test_a_manifest_that_is_not_there_is_named(tmp_path: Path) -> None:
    for path, said in ((tmp_path / "none.jsonl", "no such file"), (tmp_path, "is a folder")):
        with pytest.raises(FileNotFoundError, match=f"^{path}: {said}$"):
            read_rows(path)


def rows_of(names: list[str], **values: object) -> list[Row]:
    return [Row(line, {"text": f"{line}", "group": name, **values}) for line, name in enumerate(names, start=1)]


def test_whole_groups_are_held_out_and_every_row_is_on_one_side() -> None:
    rows = rows_of([f"speaker {number % 37}" for number in range(300)])
    group_of = groups(rows, ["text"])
    division = divide(rows, group_of, share=0.1, sha256="")
    assert sorted([*division.train, *division.test]) == [row.line for row in rows]
    assert not {group_of[line] for line in division.train} & {group_of[line] for line in division.test}
    assert 20 <= len(division.test) <= 30
    assert divide(rows[::-1], group_of, share=0.1, sha256="").test == division.test[::-1]


@pytest.mark.parametrize("num", [2, 3, 10, 39])
def test_few_rows_leave_most_to_learn_from(num: int) -> None:
    rows = [Row(line, {"text": f"{line}"}) for line in range(1, num + 1)]
    division = divide(rows, groups(rows, ["text"]), share=0.1, sha256="")
    assert division.train and division.test and len(division.test) <= num // 2


def test_rows_that_read_the_same_are_on_one_side() -> None:
    rows = [Row(line, {"speech": f"{line % 50}.wav", "answer": f"{line}"}) for line in range(1, 101)]
    division = divide(rows, groups(rows, ["speech"]), share=0.2, sha256="")
    assert not {line % 50 for line in division.train} & {line % 50 for line in division.test}


def test_a_manifest_may_say_itself_what_is_held_out() -> None:
    rows = [*rows_of(["a"] * 5), Row(6, {"text": "6", "split": "test"}), Row(7, {"text": "7", "split": "train"})]
    assert divide(rows, groups(rows, ["text"]), share=0.9, sha256="").test == (6,)
    torn = [Row(1, {"group": "x", "split": "test"}), Row(2, {"group": "x"}), Row(3, {"group": "y"})]
    with pytest.raises(ValueError, match="the group 'x' is held out and trained on"):
        divide(torn, groups(torn, []), share=0.1, sha256="")


def test_one_group_cannot_be_divided() -> None:
    rows = rows_of(["one"] * 30)
    with pytest.raises(ValueError, match="30 good rows of 1 groups cannot be divided"):
        divide(rows, groups(rows, ["text"]), share=0.1, sha256="")


def test_a_division_is_read_as_it_was_written(tmp_path: Path) -> None:
    division = Division("abc", (1, 3), (2,))
    division.save(tmp_path / "division.json")
    assert Division.load(tmp_path / "division.json") == division
    assert len(digest(tmp_path / "division.json")) == 64


@pytest.mark.parametrize("name", ["../secret.wav", "/etc/hostname", "link/secret.wav", "a/../../secret.wav"])
def test_no_path_leaves_the_folder_unless_that_is_allowed(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(ValueError, match="lies outside the manifest's folder"):
        Files(folder).find(name)
    assert Files(folder, outside=True).find(name) == folder / name
    assert Files(folder).find("clips/../a.wav").name == "a.wav"
