"""Pictures of tables, each of which knows its cells and where their texts stand.

h rows and w columns of a picture
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, final

from jaxtyping import Float
from torch import Tensor

from unimodal.annotations import to_pillow
from unimodal.codecs.points import Point
from unimodal.codecs.tables import Cell
from unimodal.prenets.pixels import from_pillow
from unimodal.tasks.worlds import World
from unimodal.tasks.worlds.backdrops import Backdrop, colour_on
from unimodal.tasks.worlds.typefaces import typeface

if TYPE_CHECKING:
    from PIL.ImageDraw import ImageDraw
    from PIL.ImageFont import FreeTypeFont

TRIALS = 200
"""Tables that are tried before it is said that none fits into a picture."""
RULES = ("grid", "rows", "head", "none")
"""Lines: around every cell, below every row, around the headers and below the last row, or nowhere."""
LEAST_CONTRAST = 0.5
"""Letters of tables are small, and those of some faces thin."""
ALIGNMENTS = ("left", "middle", "right")

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, in pixels."""


@final
@dataclass(frozen=True)
class Written:
    """What a cell says and where the middle of it stands, in shares of the picture; nowhere if it says nothing."""

    text: str
    place: Point | None


@final
@dataclass(frozen=True, eq=False)
class DrawnTable:
    """A picture in 0..1, and the cells of its table, row by row."""

    picture: Float[Tensor, "3 h w"]
    cells: tuple[Cell[Written], ...]

    @property
    def written(self) -> list[Written]:
        """The texts of the cells that say something."""
        return [cell.content for cell in self.cells if cell.content.place is not None]


@final
@dataclass(frozen=True)
class TableSizes:
    """Of pictures and of the tables in them, in pixels, from and to."""

    height: int = 128
    width: int = 160
    letter: tuple[int, int] = (9, 12)
    beside: tuple[int, int] = (2, 6)
    """What stays free on the left and the right of a text."""
    above: tuple[int, int] = (1, 4)
    """What stays free above and below it."""


@final
class TablesInPictures(World[DrawnTable]):
    """Tables drawn with real typefaces on backdrops: face, size, lines, shades, colours and alignment by the seed.

    A table that is too large for the picture is left out and another is tried.
    """

    def __init__(
        self,
        tables: World[list[Cell[str]]],
        faces: Sequence[Path],
        backdrop: Backdrop,
        sizes: TableSizes = TableSizes(),
    ) -> None:
        if not faces:
            raise ValueError("faces: there is no typeface to draw with")
        self._tables, self._faces, self._backdrop, self.sizes = tables, tuple(faces), backdrop, sizes

    def draw(self, seed: int) -> DrawnTable:
        chance = Random(seed)
        for _ in range(TRIALS):
            cells = self._tables.draw(chance.getrandbits(63))
            font = typeface(chance.choice(self._faces), chance.randint(*self.sizes.letter))
            layout = TableLayout.of(cells, font, chance.randint(*self.sizes.beside), chance.randint(*self.sizes.above))
            if layout.width <= self.sizes.width - 2 and layout.height <= self.sizes.height - 2:
                return self._drawn(cells, layout, font, chance)
        raise ValueError(f"no table fits into {self.sizes.width} x {self.sizes.height} pixels")

    def _drawn(
        self, cells: Sequence[Cell[str]], layout: "TableLayout", font: "FreeTypeFont", chance: Random
    ) -> DrawnTable:
        from PIL import ImageDraw

        height, width = self.sizes.height, self.sizes.width
        ground = self._backdrop(chance, height, width)
        image = to_pillow(ground)
        moved = layout.moved(chance.uniform(0, width - 2 - layout.width), chance.uniform(0, height - 2 - layout.height))
        written = Pen(ImageDraw.Draw(image), font, ground.mean((1, 2)), chance).table(cells, moved)
        return DrawnTable(from_pillow(image), tuple(cell.holding(self._shares(cell.content)) for cell in written))

    def _shares(self, written: Written) -> Written:
        if written.place is None:
            return written
        x, y = written.place
        return Written(written.text, (x / self.sizes.width, y / self.sizes.height))


@final
@dataclass(frozen=True)
class TableLayout:
    """Where columns and rows begin, and where the last ones end, in pixels."""

    columns: tuple[float, ...]
    rows: tuple[float, ...]
    beside: float

    @classmethod
    def of(cls, cells: Sequence[Cell[str]], font: "FreeTypeFont", beside: int, above: int) -> "TableLayout":
        """Columns as wide as their widest cell; where a cell over several needs more room, the last of them is wider.

        Rows are equally high.
        """
        num_rows = max(cell.row + cell.height for cell in cells)
        num_columns = max(cell.column + cell.width for cell in cells)
        ascent, descent = font.getmetrics()
        widths = [2.0 * beside] * num_columns
        for cell in sorted(cells, key=lambda cell: cell.width):
            spanned = slice(cell.column, cell.column + cell.width)
            missing = font.getlength(cell.content) + 2 * beside - sum(widths[spanned])
            widths[spanned.stop - 1] += max(missing, 0.0)
        heights = [ascent + descent + 2.0 * above] * num_rows
        return cls(tuple(accumulate(widths, initial=0.0)), tuple(accumulate(heights, initial=0.0)), beside)

    @property
    def width(self) -> float:
        return self.columns[-1] - self.columns[0]

    @property
    def height(self) -> float:
        return self.rows[-1] - self.rows[0]

    def moved(self, x: float, y: float) -> "TableLayout":
        """The same, so many pixels farther to the right and down."""
        columns, rows = tuple(place + x for place in self.columns), tuple(place + y for place in self.rows)
        return TableLayout(columns, rows, self.beside)

    def box(self, cell: Cell[str]) -> Box:
        """Of a cell."""
        left, right = self.columns[cell.column], self.columns[cell.column + cell.width]
        return left, self.rows[cell.row], right, self.rows[cell.row + cell.height]


@final
class Pen:
    """Draws a table into a picture, in the same style everywhere; the style is chosen by chance."""

    def __init__(self, draw: "ImageDraw", font: "FreeTypeFont", ground: Float[Tensor, " 3"], chance: Random) -> None:
        self._draw, self._font, self._chance = draw, font, chance
        ink = colour_on(ground, chance, least=LEAST_CONTRAST)
        self._ink, self._line = _levels(ink), _levels(ground.lerp(ink, chance.uniform(0.4, 1.0)))
        shade = _levels(ground.lerp(ink, chance.uniform(0.05, 0.2)))
        self._shade_of_head = shade if chance.random() < 0.3 else None
        self._shade_of_rows = shade if chance.random() < 0.2 else None
        self._rules = chance.choice(RULES)

    def table(self, cells: Sequence[Cell[str]], layout: TableLayout) -> list[Cell[Written]]:
        """The cells, with the pixels where their texts stand."""
        alignments = [self._chance.choice(ALIGNMENTS) for _ in layout.columns]
        for cell in cells:
            shade = self._shade_of_head if cell.is_header else self._shade_of_rows if cell.row % 2 else None
            if shade is not None:
                self._draw.rectangle(layout.box(cell), fill=shade)
        for cell in cells:
            self._rule(cell, layout)
        return [
            cell.holding(self._write(cell, layout, "middle" if cell.width > 1 else alignments[cell.column]))
            for cell in cells
        ]

    def _rule(self, cell: Cell[str], layout: TableLayout) -> None:
        left, top, right, bottom = layout.box(cell)
        is_last = cell.row + cell.height == len(layout.rows) - 1
        if self._rules == "grid":
            self._draw.rectangle((left, top, right, bottom), outline=self._line)
        elif self._rules != "none":
            if cell.row == 0:
                self._draw.line((left, top, right, top), fill=self._line)
            if self._rules == "rows" or cell.is_header or is_last:
                self._draw.line((left, bottom, right, bottom), fill=self._line)

    def _write(self, cell: Cell[str], layout: TableLayout, alignment: str) -> Written:
        if not cell.content:
            return Written("", None)
        left, top, right, bottom = layout.box(cell)
        length, y = self._font.getlength(cell.content), (top + bottom) / 2
        first, last = left + layout.beside, right - layout.beside - length
        x = {"left": first, "middle": (first + last) / 2, "right": last}[alignment]
        self._draw.text((x, y), cell.content, fill=self._ink, font=self._font, anchor="lm")
        return Written(cell.content, (x + length / 2, y))


def _levels(colour: Float[Tensor, " 3"]) -> tuple[int, int, int]:
    red, green, blue = (round(255 * float(share)) for share in colour)
    return red, green, blue
