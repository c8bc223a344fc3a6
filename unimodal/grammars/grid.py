"""Tables: grids whose every place belongs to one cell, cells that reach over several places included.

b batch, v vocabulary, c classes
"""

from collections.abc import Mapping
from enum import IntEnum
from typing import final

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.grammars import DEAD, NEVER, Grammar
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


_NUM_PLACES = Mark.ROW  # the marks before it each fill a place
_DONE = 2**62


@final
class Grid(Grammar):
    """Rows of places, each the first of a cell, or merged with the one on its left, the one above, or both.

    The language of Lysak et al. (2023, arXiv:2305.03393): a token is judged by its neighbours on the left and above
    alone, so every beginning can be finished and every table is made of rectangles. Where they state rules by example:
    LEFT continues a cell that begins in this row; UP stands where the cell above begins (in columns), and then CROSS
    for each further column of that cell. All rows are as wide as the first, `most_columns` at most.

    A cell's first place is followed by its content, a sequence of another grammar without its end. The state is
    computed: 2 bits for what each column last held, then the column, the width (0 in the first row), and the state of
    the content.
    """

    def __init__(self, content: Automaton, *, marks: Mapping[int, Mark], most_columns: int = MOST_COLUMNS) -> None:
        """`marks`: what ids say, the end token among them; the content's grammar must not use the others."""
        if not 1 <= most_columns <= MOST_COLUMNS:
            raise ValueError(f"most_columns: expected 1 to {MOST_COLUMNS}, got {most_columns}")
        self._content, self._most_columns = content, most_columns
        # Content stands highest, so its states may be as many as are left of 62 bits.
        self._width_at, self._content_at = 2 * most_columns + 5, 2 * most_columns + 10
        assert content.num_states < 2 ** (62 - self._content_at), "a state fits into an integer"
        self._num_content = int(content.classes.max()) + 1
        self._kinds = torch.full_like(content.classes, -1)
        self._classes = content.classes.clone()
        for id, mark in marks.items():
            self._kinds[id], self._classes[id] = mark, self._num_content + mark

    @property
    def classes(self) -> Int[Tensor, " v"]:
        return self._classes

    def start(self, rows: int, device: torch.device | None = None) -> Int[Tensor, " b"]:
        return self._content.start(rows, device)

    def live(self, state: Int[Tensor, "*b"], within: Int[Tensor, "*b"] | None = None) -> Bool[Tensor, "*b c"]:
        column, width, content = self._unpack(state)
        marks = self._marks(state, column, width, content)
        inside = self._in_cell(state, column)
        if within is None:
            text = self._content.live(content)
        else:
            left = within - self._left_behind(column, width)  # tokens that the content and its end may take, less one
            text = self._content.live(content, left + 1)
            row = torch.where(width == 0, 2, width - column + 1)[..., None].expand(*state.shape, _NUM_PLACES)
            behind = torch.cat([row, torch.ones_like(row[..., :1]), torch.zeros_like(row[..., :1])], -1)
            marks = marks & (behind < within[..., None])
        return torch.cat([text & inside[..., None], marks], -1)

    def step(self, state: Int[Tensor, "*b"], token: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        column, width, content = self._unpack(state)
        mark = self._kinds.to(state.device)[token]
        legal = self._marks(state, column, width, content).gather(-1, mark.clamp(min=0)[..., None])[..., 0]
        held = self._held(state, column.clamp(max=self._most_columns - 1))
        filled = state + ((mark.clamp(min=0) << 2 * column) - (held << 2 * column)) + (1 << 2 * self._most_columns)
        # A new row: the width is known now, and the column is 0 again.
        ended = state - (column << 2 * self._most_columns) + ((column - width) << self._width_at)
        moved = torch.where(mark == Mark.ROW, ended, torch.where(mark == Mark.END, _DONE, filled))
        following = self._content.step(content, token)
        written = torch.where(following == DEAD, DEAD, state + ((following - content) << self._content_at))
        written = torch.where(self._in_cell(state, column), written, DEAD)
        # Behind a mark the content is at its start again, whatever the last one was.
        moved = torch.where(mark == Mark.END, moved, moved - (content << self._content_at))
        return torch.where(mark < 0, written, torch.where(legal, moved, DEAD))

    def final(self, state: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        return state == _DONE

    def distance(self, state: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        column, width, content = self._unpack(state)
        distance = self._content.distance(content) - 1 + self._left_behind(column, width)
        return torch.where(state == DEAD, NEVER, torch.where(state == _DONE, 0, distance))

    def _unpack(self, state: Int[Tensor, "*b"]) -> tuple[Int[Tensor, "*b"], Int[Tensor, "*b"], Int[Tensor, "*b"]]:
        """Column, width and the state of the content; those of states without a future are zeros."""
        running = torch.where((state < 0) | (state == _DONE), 0, state)
        column = running >> 2 * self._most_columns & 31
        return column, running >> self._width_at & 31, running >> self._content_at

    def _held(self, state: Int[Tensor, "*b"], column: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """What a column last held."""
        return state >> 2 * column & 3

    def _in_cell(self, state: Int[Tensor, "*b"], column: Int[Tensor, "*b"]) -> Bool[Tensor, "*b"]:
        """Whether the last place began a cell, so that content may follow."""
        held = self._held(state, (column - 1).clamp(min=0))
        return (column > 0) & (held == Mark.CELL) & (state != _DONE)

    def _left_behind(self, column: Int[Tensor, "*b"], width: Int[Tensor, "*b"]) -> Int[Tensor, "*b"]:
        """The fewest marks that finish the table."""
        first = torch.where(column == 0, 3, 2)
        later = torch.where(column == 0, 1, width - column + 2)
        return torch.where(width == 0, first, later)

    def _marks(
        self,
        state: Int[Tensor, "*b"],
        column: Int[Tensor, "*b"],
        width: Int[Tensor, "*b"],
        content: Int[Tensor, "*b"],
    ) -> Bool[Tensor, "*b c"]:
        """The marks that may come next."""
        last = self._most_columns - 1
        left, above = self._held(state, (column - 1).clamp(min=0)), self._held(state, column.clamp(max=last))
        room = torch.where(width == 0, column <= last, column < width)
        is_first, is_later = column == 0, width > 0
        merged_up = ~is_first & ((left == Mark.UP) | (left == Mark.CROSS))
        spanned = is_later & ((above == Mark.LEFT) | (above == Mark.CROSS))
        crosses = merged_up & spanned
        marks = [
            room & ~crosses,
            room & ~is_first & ~merged_up,
            room & is_later & ~spanned,
            room & crosses,
            ~is_first & torch.where(width == 0, True, column == width),
            is_first & is_later,
        ]
        open_ = (state >= 0) & (state != _DONE) & (self._content.distance(content) == 1)
        return torch.stack(marks, -1) & open_[..., None]
