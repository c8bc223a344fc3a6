import pandas
import pytest
import torch

from unimodal.prenets.table import Grid, TableProcessor


def spoken(vocabulary, arrays):
    """(what, row, column) of each run of tokens."""
    ids, space = arrays["ids"].tolist(), vocabulary.space
    names = [space.name(id) if space.kind(id) == "table" else vocabulary.pieces.decode([id]) for id in ids]
    return list(zip(names, arrays["rows"].tolist(), arrays["columns"].tolist(), strict=True))


def test_every_token_knows_its_row_and_column(vocabulary):
    arrays = TableProcessor(vocabulary)(Grid(("a", "b"), (("1", "23"), ("", "4"))))
    assert spoken(vocabulary, arrays) == [
        ("header", 0, 1),
        ("a", 0, 1),
        ("header", 0, 2),
        ("b", 0, 2),
        ("row", 1, 0),
        ("cell", 1, 1),
        ("1", 1, 1),
        ("cell", 1, 2),
        ("2", 1, 2),
        ("3", 1, 2),
        ("row", 2, 0),
        ("cell", 2, 1),
        ("cell", 2, 2),
        ("4", 2, 2),
    ]


def test_files_and_frames_are_the_same_table(vocabulary, tmp_path):
    (tmp_path / "a.csv").write_text('\ufeffname,age\r\n"Smith, Ann",31\r\n\r\nBo,\r\n', encoding="utf-8")
    (tmp_path / "a.tsv").write_text("name\tage\nSmith, Ann\t31\nBo\t\n")
    frame = pandas.DataFrame({"name": ["Smith, Ann", "Bo"], "age": [31, None]})
    expected = Grid(("name", "age"), (("Smith, Ann", "31"), ("Bo", "")))
    processor = TableProcessor(vocabulary)
    wanted = processor(expected)
    for raw in (tmp_path / "a.csv", str(tmp_path / "a.tsv"), frame):
        arrays = processor(raw)
        assert all(torch.equal(arrays[name], wanted[name]) for name in wanted)


def test_frames_are_written_as_people_would():
    frame = pandas.DataFrame(
        {
            "whole": [1, 2],
            "share": [0.1 + 0.2, 1e-9],
            "large": [1234567.0, float("nan")],
            "true": [True, False],
            "day": pandas.to_datetime(["2026-01-02", None]),
            7: ["x", None],
        }
    )
    grid = Grid.of(frame)
    assert grid.header == ("whole", "share", "large", "true", "day", "7")
    assert grid.rows == (
        ("1", "0.3", "1.23457e+06", "True", "2026-01-02 00:00:00", "x"),
        ("2", "1e-09", "", "False", "", ""),
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"a,b\n", "has a header but no rows"),
        (b"a,b,a\n1,2,3\n", "two columns are called 'a'"),
        (b",b\n1,2\n", "column 1 has no name"),
        (b"a, \n1,2\n", "column 2 has no name"),
        (b"a,b\n1,2\n1,2,3\n", "row 2 has 3 cells, the header has 2 columns"),
        (b"a,b\n1\n", "row 1 has 1 cells"),
        (b'a,b\n"1,2\n', "is no table"),
        (b"a,b\n\xff\xfe,2\n", "is not UTF-8 text"),
    ],
)
def test_bad_files_are_named(vocabulary, tmp_path, content, message):
    path = tmp_path / "bad.csv"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.csv: {message}") as caught:
        TableProcessor(vocabulary)(path)
    assert "\n" not in str(caught.value)


def test_a_file_that_is_not_there(vocabulary, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.csv: no such file"):
        TableProcessor(vocabulary)(tmp_path / "nowhere.csv")


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"max_rows": 4}, "big: has 5 rows, more than the limit of 4"),
        ({"max_columns": 2}, "big: has 3 columns, more than the limit of 2"),
        ({"max_tokens": 30}, "big: has .* tokens, more than the limit of 30"),
    ],
)
def test_nothing_is_cut_in_silence(vocabulary, limits, message):
    grid = Grid(("a", "b", "c"), tuple(("1", "2", "3") for _ in range(5)), "big")
    with pytest.raises(ValueError, match=message):
        TableProcessor(vocabulary, **limits)(grid)


def test_a_part_is_chosen_by_its_user():
    grid = Grid(("a", "b", "c"), (("1", "2", "3"), ("4", "5", "6")), "big")
    assert grid.part(rows=[1], columns=["c", "a"]) == Grid(("c", "a"), (("6", "4"),), "big")
    with pytest.raises(ValueError, match="big: has no column 'd', only a, b, c"):
        grid.part(rows=[0], columns=["d"])


def test_a_vocabulary_without_table_tags_is_named(pieces):
    from unimodal.vocabulary import TokenSpace, Vocabulary

    with pytest.raises(ValueError, match="no kind 'table'"):
        TableProcessor(Vocabulary(TokenSpace([{"text": 512}]), pieces))
