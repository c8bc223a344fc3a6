"""Worlds: reproducible draws, and answers that a second, plain reading of the question confirms."""

import re
from collections import Counter

import pandas
import pytest
import torch

from unimodal.tasks.worlds.digit_strings import DigitStrings
from unimodal.tasks.worlds.table_questions import FORMS, TableQuestion, TableQuestions, askable, write_number

SPECIES = pandas.DataFrame(
    {
        "species": ["Adelie", "Gentoo", "Chinstrap", "Emperor", "King", None, "Adelie", "Little", "Royal"],
        "mass (kg)": [3.7, 5.076, 3.733, 30, 14, 9, 1, 1.0, 5.0],
        "year": [2007, 2008, 2009, 2007, float("nan"), 2008, 2009, 2010, 2007],
        "identifier": [123456789, 2, 3, 4, 5, 6, 7, 8, 9],
        "wild": [True, False, True, True, False, True, True, False, True],
    }
)


@pytest.fixture(scope="module")
def world() -> TableQuestions:
    return TableQuestions([lambda: SPECIES[["year"]], lambda: SPECIES])


def test_only_what_people_would_ask_about_is_askable() -> None:
    found = askable(SPECIES)
    assert found is not None
    assert set(found.names) == {"species"} and set(found.numbers) == {"mass (kg)", "year"}
    assert Counter(found.names["species"].values())["Adelie"] == 1, "a name stands for one row"
    assert None not in found.names["species"].values()
    assert askable(SPECIES[["species"]]) is None and askable(SPECIES[["year", "identifier"]]) is None


def plain_answer(drawn: TableQuestion) -> str:
    """The answer from the written cells alone, by the words of the question."""
    header, rows, question = drawn.grid.header, drawn.grid.rows, drawn.question
    cells = {name: [row[place] for row in rows] for place, name in enumerate(header)}
    keys = cells[header[0]]
    if question == "how many rows are there?":
        return str(len(rows))
    if question == "how many columns are there?":
        return str(len(header))
    if found := re.fullmatch(r"what is the (.+) in row (\d)\?", question):
        return cells[found[1]][int(found[2]) - 1]
    if found := re.fullmatch(r"what is the (largest|smallest) (.+)\?", question):
        return (max if found[1] == "largest" else min)(cells[found[2]], key=float)
    if found := re.fullmatch(r"what is the (.+) of (.+)\?", question):
        return cells[found[1]][keys.index(found[2])]
    if found := re.fullmatch(rf"which {header[0]} has the (largest|smallest) (.+)\?", question):
        values = [float(cell) for cell in cells[found[2]]]
        return keys[values.index((max if found[1] == "largest" else min)(values))]
    if found := re.fullmatch(r"which has the larger (.+), (.+) or (.+)\?", question):
        values = dict(zip(keys, map(float, cells[found[1]]), strict=True))
        assert values[found[2]] != values[found[3]]
        return max(found[2], found[3], key=values.__getitem__)
    found = re.fullmatch(r"how many rows have (.+) above (.+)\?", question)
    assert found, question
    return str(sum(float(cell) > float(found[2]) for cell in cells[found[1]]))


def test_answers_agree_with_what_is_written(world: TableQuestions) -> None:
    forms = Counter()
    for seed in range(400):
        drawn = world.draw(seed)
        assert drawn.answer == plain_answer(drawn), drawn
        assert 3 <= len(drawn.grid.rows) <= 6 and 2 <= len(drawn.grid.header) <= 4
        forms[re.sub(r"mass \(kg\)|year|\d\S*|[A-Z]\w+", "_", drawn.question)] += 1
    assert len(forms) == len(FORMS)


def test_tables_without_a_question_are_told() -> None:
    with pytest.raises(ValueError, match="none of the tables"):
        TableQuestions([lambda: SPECIES[["year"]]]).draw(0)


def test_a_seed_gives_the_same_question_in_any_order(world: TableQuestions) -> None:
    forwards = [world.draw(seed) for seed in range(20)]
    assert [world.draw(seed) for seed in reversed(range(20))] == forwards[::-1]
    assert len({drawn.question for drawn in forwards}) > 10


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (3.10, "3.1"), (-0.001, "0"), (12345.678, "12345.68"), (0.5, "0.5")]
)
def test_numbers_are_written_as_people_do(value: float, text: str) -> None:
    assert write_number(value) == text


def test_digit_strings_show_their_digits_in_order() -> None:
    """A digit d is drawn as d + 1 rows of ink, so that the picture can be read back."""
    pictures = torch.zeros(10, 28, 28)
    for digit in range(10):
        pictures[digit, 4 : 4 + 2 * digit + 1, 10:14] = 1
    world = DigitStrings(pictures, range(10))
    lengths = Counter()
    for seed in range(60):
        drawn = world.draw(seed)
        assert torch.equal(drawn.picture, world.draw(seed).picture) and drawn.digits == world.draw(seed).digits
        assert drawn.picture.shape == (3, 28, 112) and 0 <= drawn.picture.min() < drawn.picture.max() <= 1
        heights = (drawn.picture[0] < 0.5).sum(0)
        strokes = [int(height) for height, left in zip(heights[1:], heights[:-1], strict=True) if height and not left]
        assert "".join(str(height // 2) for height in strokes) == drawn.digits
        lengths[len(drawn.digits)] += 1
    assert set(lengths) == {2, 3, 4} and min(lengths.values()) > 8
