"""Tables in pictures: equal seeds, cells that cover each place once, ink where texts are said to stand."""

import itertools
from pathlib import Path
from random import Random

import pandas
import pytest
import torch
from torch import Tensor

from unimodal.codecs.tables import Cell
from unimodal.tasks.worlds import World
from unimodal.tasks.worlds.backdrops import paper
from unimodal.tasks.worlds.drawn_tables import TablesInPictures, TableSizes
from unimodal.tasks.worlds.table_excerpts import TableExcerpts, short_texts

matplotlib = pytest.importorskip("matplotlib")
FACE = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
SPECIES = pandas.DataFrame(
    {
        "species": ["Adelie", "Adelie", "Adelie", "Emperor", "Emperor", "a very long name", "King", "King", "Little"],
        "mass": [3.7, 5.076, float("nan"), 30, 14, 9, 1, 1.0, 5.0],
        "year": [2007, 2008, 2009, 2007, 2007, 2008, 2009, 2010, 2007],
        "isle": ["Biscoe", None, None, None, None, None, None, None, "Dream"],
        "wild": [True, False, True, True, False, True, True, False, True],
        "a name that is too long for a header": range(9),
    }
)
EXCERPTS = TableExcerpts([lambda: SPECIES[["year"]], lambda: SPECIES])
SIZES = TableSizes(height=160, width=240)


def white(chance: Random, height: int, width: int) -> Tensor:
    return torch.ones(3, height, width)


def test_short_texts_are_what_cells_can_show() -> None:
    texts = short_texts(SPECIES, 8)
    assert list(texts) == ["species", "mass", "year", "wild"], "half of the cells hold something that is short"
    assert texts["species"][5] == "" and texts["mass"][:3] == ["3.7", "5.08", ""]
    assert texts["wild"][:2] == ["True", "False"]


def covered(cells: list[Cell[str]]) -> list[tuple[int, int]]:
    """All places of all cells."""
    return [
        (cell.row + down, cell.column + across)
        for cell in cells
        for down, across in itertools.product(range(cell.height), range(cell.width))
    ]


def test_excerpts_are_whole_tables_out_of_the_table_row_by_row() -> None:
    drawn = [EXCERPTS.draw(seed) for seed in range(200)]
    assert drawn == [EXCERPTS.draw(seed) for seed in range(200)]
    known = {"", *short_texts(SPECIES, 8), *itertools.chain(*short_texts(SPECIES, 8).values())}
    for cells in drawn:
        places = covered(cells)
        rows, columns = (max(place[axis] for place in places) + 1 for axis in (0, 1))
        assert sorted(places) == list(itertools.product(range(rows), range(columns)))
        assert 3 <= rows <= 8 and 2 <= columns <= 4
        assert [(cell.row, cell.column) for cell in cells] == sorted((cell.row, cell.column) for cell in cells)
        assert {cell.content for cell in cells} <= known
        assert cells[0].is_header and not cells[-1].is_header
    every = list(itertools.chain(*drawn))
    assert any(cell.height > 1 and not cell.is_header for cell in every), "equal neighbours are one cell"
    assert any(cell.width > 1 and cell.is_header for cell in every) and any(cell.width > 1 for cell in every)
    with pytest.raises(ValueError, match="none of the tables has 2 columns of short texts"):
        TableExcerpts([lambda: SPECIES[["year"]]]).draw(0)


def test_texts_stand_where_they_are_said_to() -> None:
    world = TablesInPictures(EXCERPTS, [FACE], white, SIZES)
    for seed in range(20):
        drawn = world.draw(seed)
        assert drawn.picture.shape == (3, 160, 240) and 0 <= drawn.picture.min() and drawn.picture.max() <= 1
        assert [cell.content.text for cell in drawn.cells if cell.content.place is None] == [
            "" for cell in drawn.cells if not cell.content.text
        ]
        for cell in drawn.cells:
            if cell.content.place is None:
                continue
            x, y = cell.content.place[0] * 240, cell.content.place[1] * 160
            around = drawn.picture[:, int(y) - 4 : int(y) + 4, max(int(x) - 6, 0) : int(x) + 6].flatten(1)
            assert around.std(1).max() > 0.05, f"{seed}: nothing is written at {cell}"


def test_equal_seeds_give_equal_pictures() -> None:
    world = TablesInPictures(EXCERPTS, [FACE], paper, SIZES)
    first, again, other = world.draw(3), world.draw(3), world.draw(4)
    assert first.cells == again.cells and torch.equal(first.picture, again.picture)
    assert not torch.equal(first.picture, other.picture)
    inked = {float(world.draw(seed).picture.mean()) for seed in range(4)}
    assert len(inked) == 4


class OneCell(World[list[Cell[str]]]):
    def draw(self, seed: int) -> list[Cell[str]]:
        return [Cell(0, 0, "far too wide for a picture of a few pixels")]


def test_a_table_that_fits_nowhere_and_no_typeface_are_named() -> None:
    with pytest.raises(ValueError, match="no table fits into 20 x 20 pixels"):
        TablesInPictures(OneCell(), [FACE], white, TableSizes(height=20, width=20)).draw(0)
    with pytest.raises(ValueError, match="faces: there is no typeface"):
        TablesInPictures(OneCell(), [], white)
