"""Tables: grids whose every place belongs to one cell, cells that reach over several places included.

b batch, v vocabulary, c classes, m marks, n entries of a table
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import IntEnum
from itertools import product
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.grammars import DEAD, Grammar
from unimodal.grammars.automaton import Automaton

MOST_COLUMNS = 20


class Mark(IntEnum):
    """What a token of a grid says: which cell its place belongs to, or that a row, or the table, is over."""

    CELL = 0
    LEFT = 1
    UP = 2
    CROSS = 3
    ROW = 4
    END = 5


_DONE = -2


@final
class Grid(Grammar):
    """Rows of places, each the first of a cell, or merged with the one on its left, the one above, or both.

    The language of Lysak et al. (2023, arXiv:2305.03393): a token is judged by its neighbours on the left and above
    alone, so every beginning can be finished and every table is made of rectangles. Where they state rules by example:
    LEFT continues a cell that begins in this row; UP stands where the cell above begins (in columns), and then CROSS
    for each further column of that cell. All rows are as wide as the first, `most_columns` at most.

    A cell's first place is followed by its content, a sequence of another grammar without its end. The state is
    computed: 2 bits for what each column last held, then the column, the width (0 in the first row), and the state of
    the content. What column and width decide is looked up.
    """

    def __init__(self, content: Automaton, *, marks: Mapping[int, Mark], most_columns: int = MOST_COLUMNS) -> None:
        """`marks`: what ids say, the end token among them; the content's grammar must not use the others."""
        if not 1 <= most_columns <= MOST_COLUMNS:
            raise ValueError(f"most_columns: expected 1 to {MOST_COLUMNS}, got {most_columns}")
        self._content, self._size_at, self._content_at = content, 2 * most_columns, 2 * most_columns + 10
        assert content.num_states < 2 ** (62 - self._content_at), "a state fits into an integer"
        num_content = int(content.classes.max()) + 1
        self._classes, self._kinds = content.classes.clone(), torch.full_like(content.classes, -1)
        for id, mark in marks.items():
            self._kinds[id], self._classes[id] = mark, num_content + mark
        self._sizes = _sizes(most_columns)
        self._legal = _legal()
        every = torch.arange(content.num_states + 1)  # the last is the dead one
        self._is_whole = content.distance(torch.where(every < content.num_states, every, DEAD)) == 1

    @property
    def classes(self) -> Int[Tensor, " v"]:
        return self._classes

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return self._content.start(rows, device)

    def live(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b c"]:
        self._follow(state.device)
        size, content = state >> self._size_at & 1023, state >> self._content_at
        may_come = self._may_come(state, size)
        marks = may_come[..., :-1] & self._is_whole[content][..., None]
        if within is None:
            text = self._content.live(content)
        else:
            # The content's own end stands for none of the marks that are left.
            text = self._content.live(content, within - self._sizes.left_behind[size] + 1)
            marks = marks & (self._sizes.behind[size] < within[..., None])
        return torch.cat([text & may_come[..., -1:], marks], -1)

    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        size, content, mark = state >> self._size_at & 1023, state >> self._content_at, self._kinds[token]
        may_come = self._may_come(state, size).gather(-1, mark.remainder(len(Mark) + 1)[..., None])[
            ..., 0
        ]  # -1: content, the last
        bare = state & (1 << self._content_at) - 1
        shift = self._sizes.above[size]
        filled = bare - ((state >> shift & 3) << shift) + (mark << shift) + (1 << self._size_at)
        ended = (bare & (1 << self._size_at) - 1) + self._sizes.row_ended[size]
        marked = torch.where(mark == Mark.ROW, ended, torch.where(mark == Mark.END, _DONE, filled))
        following = self._content.step(content, token)
        written = torch.where(following < 0, DEAD, bare + (following << self._content_at))
        fits = may_come & (self._is_whole[content] | (mark < 0))
        return torch.where(fits, torch.where(mark < 0, written, marked), DEAD)

    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        return state == _DONE

    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        self._follow(state.device)
        behind = self._sizes.left_behind[state >> self._size_at & 1023] - 1
        distance = self._content.distance(state >> self._content_at)
        running = distance + torch.where(state < 0, 0, behind)
        return torch.where(state == _DONE, 0, running)

    def _may_come(self, state: Int[Tensor, "*b"], size: Int[Tensor, "*b"]) -> Bool[Tensor, "*b m"]:
        """The marks that the neighbours allow, and last whether content may come; nothing behind the end."""
        left, above = state >> self._sizes.left[size] & 3, state >> self._sizes.above[size] & 3
        return self._legal[self._sizes.flags[size] + 4 * left + above]

    def _follow(self, device: torch.device) -> None:
        """Moves the tables to where they are used; once, as a decoder stays on its device."""
        if self._legal.device != device:
            self._legal, self._is_whole, self._kinds = (
                table.to(device) for table in (self._legal, self._is_whole, self._kinds)
            )
            self._sizes = self._sizes.to(device)


@final
@dataclass(frozen=True, eq=False)
class _Sizes:
    """What the column and the width decide, by column + 32 x width; the last stands for what has ended."""

    flags: Int[Tensor, " n"]
    """Where in the table of legal marks these begin."""
    left: Int[Tensor, " n"]
    """The bit at which the neighbour on the left stands, and that above."""
    above: Int[Tensor, " n"]
    left_behind: Int[Tensor, " n"]
    """The fewest marks that finish the table."""
    behind: Int[Tensor, "n m"]
    """The same after each mark."""
    row_ended: Int[Tensor, " n"]
    """The same place after the end of a row."""

    def to(self, device: torch.device) -> "_Sizes":
        return _Sizes(*(getattr(self, field.name).to(device) for field in fields(self)))


def _sizes(most_columns: int) -> _Sizes:
    """The table for grids of so many columns."""
    last, size_at = most_columns - 1, 2 * most_columns
    rows = []
    for size in range(1024):
        width, column = divmod(size, 32)
        room = column <= last if width == 0 else column < width
        may_end_row = column > 0 and width in (0, column)
        bits = (column == 0) + 2 * (width > 0) + 4 * room + 8 * may_end_row + 16 * (size < 1023)
        in_row = 2 if width == 0 else max(width - column, 0) + 1  # behind one more place
        left_behind = 1 if column == 0 and width else in_row + (column == 0 or width > 0)
        row_ended = (column if width == 0 else width) << size_at + 5
        shifts = (2 * min(max(column - 1, 0), last), 2 * min(column, last))
        rows.append((16 * bits, *shifts, left_behind, [in_row] * 4 + [1, 0], row_ended))
    return _Sizes(*(torch.tensor(column) for column in zip(*rows, strict=True)))


def _legal() -> Bool[Tensor, "n m"]:
    """By what `_sizes` says of a place, and by its neighbours: the marks that may come, and whether content may."""
    table = []
    for bits, left, above in product(range(32), range(4), range(4)):
        is_first, is_later, room, may_end_row, is_running = (bool(bits & 1 << number) for number in range(5))
        merged_up = not is_first and left in (Mark.UP, Mark.CROSS)
        spanned = is_later and above in (Mark.LEFT, Mark.CROSS)
        crosses = merged_up and spanned
        marks = [
            room and not crosses,
            room and not is_first and not merged_up,
            room and is_later and not spanned,
            room and crosses,
            may_end_row,
            is_first and is_later,
            not is_first and left == Mark.CELL,
        ]
        table.append([is_running and mark for mark in marks])
    return torch.tensor(table)
