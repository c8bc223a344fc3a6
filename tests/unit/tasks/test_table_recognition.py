"""Tables in two stages: what an example teaches, put together again, is its answer."""

from pathlib import Path
from random import Random

import pytest
import torch

from unimodal.catalogue import build_task
from unimodal.codecs.tables import Cell
from unimodal.html_tables import HtmlTable
from unimodal.loading.own import Unimodal
from unimodal.tasks.table_recognition import TableRecognition
from unimodal.tasks.worlds import World
from unimodal.tasks.worlds.backdrops import paper
from unimodal.tasks.worlds.drawn_tables import DrawnTable, TablesInPictures

matplotlib = pytest.importorskip("matplotlib")
FACE = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
CELLS = [
    Cell(0, 0, "tea", height=2, is_header=True),
    Cell(0, 1, "price", width=2, is_header=True),
    Cell(1, 1, "low", is_header=True),
    Cell(1, 2, "high", is_header=True),
    Cell(2, 0, "green"),
    Cell(2, 1, ""),
    Cell(2, 2, "-3.5"),
]


class OneTable(World[list[Cell[str]]]):
    def draw(self, seed: int) -> list[Cell[str]]:
        return CELLS


@pytest.fixture(scope="module")
def drawn() -> DrawnTable:
    return TablesInPictures(OneTable(), [FACE], paper).draw(0)


@pytest.fixture
def task(documents: Unimodal) -> TableRecognition:
    made = build_task("table_recognition", documents.processor.vocabulary)
    assert isinstance(made, TableRecognition)
    return made


def test_right_answers_to_all_lessons_are_the_right_answer(task: TableRecognition, drawn: DrawnTable) -> None:
    example, staged = task.about(drawn, Random(0), "a#0"), task.staged
    (first, structure), *texts = staged.lessons(example)
    assert first is staged.first and {part for part, _ in texts} == {*staged.then} and len(texts) == 6
    places = staged.places(structure.answer)
    assert places == [question.inputs["place"] for _, question in texts]
    assert staged.join(structure.answer, [[question.answer] for _, question in texts]) == example.answer
    assert example.answer == HtmlTable(tuple(CELLS))
    assert all(question.inputs["image"] is example.inputs["image"] for _, question in texts)


def test_an_untaught_model_writes_whole_tables(documents: Unimodal, task: TableRecognition) -> None:
    picture = torch.rand(3, 48, 64, dtype=torch.double)
    (example,) = [task.about(DrawnTable(picture, ()), Random(0), "a#0")]
    decoding = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": 30}
    (found,) = documents.answer(task, [example], decoding=decoding)
    assert isinstance(found.value, HtmlTable) and HtmlTable.parse(found.text).cells
    assert len(HtmlTable.parse(found.text).cells) == len(found.value.cells)
