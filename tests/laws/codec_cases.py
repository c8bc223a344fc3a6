"""What codecs are tried with: objects of each, and a matcher of its language that was written apart from it."""

import itertools
import re

from hypothesis import strategies as st

from unimodal.codecs.bins import BinCodec
from unimodal.codecs.blanks import BlankCodec
from unimodal.codecs.boxes import BoxCodec
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.digits import DigitCodec
from unimodal.codecs.events import Event, EventCodec
from unimodal.codecs.fields import Field, FieldCodec
from unimodal.codecs.html import HtmlCodec
from unimodal.codecs.labels import LabelCodec
from unimodal.codecs.marks import MarkCodec
from unimodal.codecs.numbers import NumberCodec
from unimodal.codecs.points import PointCodec
from unimodal.codecs.spotting import SpottedWord, SpottingCodec
from unimodal.codecs.tables import Cell, TableCodec
from unimodal.codecs.text import TextCodec
from unimodal.codecs.units import UnitCodec
from unimodal.html_tables import HtmlTable

NAMES = ["cat", "car", "cat food", "a dog", "élan"]


def signs(vocabulary, ids):
    """One character an id: digits, point and minus as they are; L, T, U for ranges; E for the end; ? for the rest."""
    written = {vocabulary.pieces.encode(sign)[0]: sign for sign in "0123456789.-"}
    letters = {"loc": "L", "time": "T", "unit": "U"}
    space = vocabulary.space
    return "".join(written.get(id) or letters.get(space.kind(id)) or ("E" if id == space.end else "?") for id in ids)


point = st.tuples(st.floats(0, 1), st.floats(0, 1))
outline = st.lists(point, min_size=16, max_size=16).map(tuple)
spotted = st.builds(SpottedWord, st.text(min_size=1, max_size=6), outline)


def matches(pattern):
    return lambda vocabulary, ids: re.fullmatch(pattern, signs(vocabulary, ids)) is not None


def is_text(vocabulary, ids):
    if ids[-1:] != [vocabulary.space.end] or not all(vocabulary.space.kind(id) == "text" for id in ids[:-1]):
        return False
    spelled = b"".join(vocabulary.pieces.bytes_of(id) for id in ids[:-1])
    # Bytes of a character are not interrupted by a longer piece: a piece holds whole characters, so UTF-8 sees to it.
    return spelled.decode(errors="ignore").encode() == spelled


def is_blanked(vocabulary, ids, marks=2):
    """Texts with one of the first two sentinels between each and the next."""
    known, parts = vocabulary.space.ids("sentinel")[:marks], [[]]
    for id in ids[:-1]:
        if id in known:
            parts.append([])
        else:
            parts[-1].append(id)
    return ids[-1:] == [vocabulary.space.end] and all(is_text(vocabulary, [*part, ids[-1]]) for part in parts)


def blanked(vocabulary):
    return BlankCodec(vocabulary, codec=TextCodec(vocabulary), marks=vocabulary.space.ids("sentinel")[:2])


def is_label(vocabulary, ids):
    return ids in [[*vocabulary.pieces.encode(name), vocabulary.space.end] for name in NAMES]


def is_mark(vocabulary, ids):
    return matches("UE")(vocabulary, ids) and vocabulary.space.index(ids[0]) < len(NAMES)


def is_box(vocabulary, ids):
    return matches("LLLLE")(vocabulary, ids) and ids[0] <= ids[2] and ids[1] <= ids[3]


def is_spotting(vocabulary, ids):
    """A centre, sixteen vertices and a text for every word."""
    space = vocabulary.space
    if ids[-1:] != [space.end] or not all(space.kind(id) in ("loc", "text") for id in ids[:-1]):
        return False
    parts = [list(part) for _, part in itertools.groupby(ids[:-1], lambda id: space.kind(id) == "loc")]
    texts = parts[1::2]
    sizes = [len(part) for part in parts[::2]]
    return (
        len(parts) % 2 == 0
        and all(size == 34 for size in sizes)
        and all(space.kind(part[0]) == "loc" for part in parts[::2])
        and all(is_text(vocabulary, [*text, space.end]) for text in texts)
    )


def is_event_list(vocabulary, ids):
    """Pairs of times, each followed by a text; no start before the one before it, no end before its start."""
    space = vocabulary.space
    kinds = [space.kind(id) for id in ids]
    if ids[-1:] != [space.end] or space.end in ids[:-1] or not set(kinds[:-1]) <= {"time", "text"}:
        return False
    written = re.fullmatch("((TT)x*)*", "".join("T" if kind == "time" else "x" for kind in kinds[:-1]))
    parts = [list(part) for is_time, part in itertools.groupby(ids[:-1], lambda id: space.kind(id) == "time")]
    times = [id for id in ids[:-1] if space.kind(id) == "time"]
    starts, ends = times[::2], times[1::2]
    texts = [part for part in parts if space.kind(part[0]) == "text"]
    in_order = starts == sorted(starts) and all(start <= end for start, end in zip(starts, ends, strict=False))
    return written is not None and in_order and all(is_text(vocabulary, [*text, space.end]) for text in texts)


def is_field_list(vocabulary, ids, depth=2):
    """Read by recursive descent."""
    space, rest = vocabulary.space, list(ids[:-1])
    if ids[-1:] != [space.end] or not all(space.kind(id) in ("text", "field") for id in rest):
        return False

    def fields(depth):
        while rest and space.name(rest[0]) in ("name", "price", "items"):
            rest.pop(0)
            text = list(itertools.takewhile(lambda id: space.kind(id) == "text", rest))
            del rest[: len(text)]
            if not is_text(vocabulary, [*text, space.end]) or (text and rest and space.name(rest[0]) != "/"):
                return False
            if depth > 1 and not fields(depth - 1):
                return False
            if not rest or space.name(rest.pop(0)) != "/":
                return False
        return True

    return fields(depth) and not rest


def is_table(vocabulary, ids, most_columns=4, kind="text", is_content=is_text):
    """Marks drawn as a picture in which every cell must be a full rectangle of its own."""
    space = vocabulary.space
    if ids[-1:] != [space.end] or not all(space.kind(id) in (kind, "grid") for id in ids[:-1]):
        return False
    rows, contents = [[]], []
    for id in ids[:-1]:
        name = space.name(id) if space.kind(id) == "grid" else kind
        if name == "row":
            rows.append([])
        elif name == kind:
            if not rows[-1] or rows[-1][-1] not in ("cell", "header"):
                return False
            contents[-1].append(id)
        else:
            rows[-1].append(name)
            contents.append([])
    if rows.pop() or not rows or not 1 <= len(rows[0]) <= most_columns or len({len(row) for row in rows}) > 1:
        return False
    owner = {}
    for row, column in itertools.product(range(len(rows)), range(len(rows[0]))):
        name = rows[row][column]
        neighbours = {"left": [(0, 1)], "up": [(1, 0)], "cross": [(0, 1), (1, 0)]}.get(name, [])
        owners = {owner.get((row - down, column - across)) for down, across in neighbours} or {(row, column)}
        if None in owners or len(owners) > 1:
            return False
        owner[row, column] = owners.pop()
        if name == "left" and owner[row, column][0] != row or name == "up" and owner[row, column][1] != column:
            return False
    for corner in set(owner.values()):
        places = [place for place in owner if owner[place] == corner]
        height, width = (max(place[axis] for place in places) - corner[axis] + 1 for axis in (0, 1))
        if len(places) != height * width:
            return False
    return all(is_content(vocabulary, [*content, space.end]) for content in contents)


def is_table_of_points(vocabulary, ids):
    return is_table(vocabulary, ids, kind="loc", is_content=matches("(LL)?E"))


@st.composite
def event_lists(draw):
    starts = sorted(draw(st.lists(st.floats(0, 9), max_size=3)))
    return [Event(start, draw(st.floats(start, 10)), draw(st.text(max_size=4))) for start in starts]


@st.composite
def field_lists(draw, depth=2):
    names = draw(st.lists(st.sampled_from(["name", "price", "items"]), min_size=0 if depth == 2 else 1, max_size=2))
    contents = st.text(max_size=3) if depth == 1 else st.text(max_size=3) | field_lists(depth - 1).map(tuple)
    return [Field(name, draw(contents)) for name in names]


@st.composite
def tables(draw, contents):
    """Cells put on the first free place, as far as they may reach."""
    num_rows, num_columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    taken, cells = set(), []
    for row, column in itertools.product(range(num_rows), range(num_columns)):
        if (row, column) in taken:
            continue
        next_taken = min([place for line, place in taken if line == row and place > column], default=num_columns)
        width, height = draw(st.integers(1, next_taken - column)), draw(st.integers(1, num_rows - row))
        taken |= set(itertools.product(range(row, row + height), range(column, column + width)))
        cells.append(Cell(row, column, draw(contents), height, width, draw(st.booleans())))
    return cells


share = st.floats(0, 1)
box = st.tuples(share, share, share, share).map(lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[::2]), max(b[1::2])))
# Codec -> [(how to make it, its objects, an independent matcher of its language, the error that its resolution allows)]
CASES = {
    BlankCodec: [(blanked, st.lists(st.text(max_size=5), min_size=1, max_size=4).map("___".join), is_blanked, 0)],
    CharacterCodec: [(lambda v: CharacterCodec(v), st.text(max_size=12), is_text, 0)],
    TextCodec: [(lambda v: TextCodec(v), st.text(max_size=12) | st.sampled_from(["", "the value: é漢𝄞"]), is_text, 0)],
    LabelCodec: [(lambda v: LabelCodec(v, names=NAMES), st.sampled_from(NAMES), is_label, 0)],
    MarkCodec: [(lambda v: MarkCodec(v, names=NAMES), st.sampled_from(NAMES), is_mark, 0)],
    DigitCodec: [
        (lambda v: DigitCodec(v), st.text("0123456789", min_size=1, max_size=16), matches("[0-9]{1,16}E"), 0),
        (
            lambda v: DigitCodec(v, min_digits=0, max_digits=3),
            st.text("0123456789", max_size=3),
            matches("[0-9]{0,3}E"),
            0,
        ),
    ],
    NumberCodec: [
        (
            lambda v: NumberCodec(v, max_digits=3),
            st.floats(-999.99, 999.99) | st.sampled_from([0.0, -0.0, -0.001, 0.5, 100.0, -0.25, 999.99]),
            matches(r"(?!-0E)-?(0|[1-9][0-9]{0,2})(\.[0-9]?[1-9])?E"),
            0.005000001,
        ),
        (
            lambda v: NumberCodec(v, max_digits=15, num_decimals=0),
            st.integers(1 - 10**15, 10**15 - 1).map(float),
            matches(r"(0|-?[1-9][0-9]{0,14})E"),
            0,
        ),
    ],
    BinCodec: [
        (
            lambda v: BinCodec(v, kind="time", low=-5, high=25, num_values=2),
            st.lists(st.floats(-5, 25), min_size=2, max_size=2),
            matches("T{2}E"),
            1.500001,
        )
    ],
    BoxCodec: [(lambda v: BoxCodec(v), box, is_box, 0.5000001 / 20)],
    EventCodec: [(lambda v: EventCodec(v, seconds=10), event_lists(), is_event_list, 0.5000001)],
    FieldCodec: [(lambda v: FieldCodec(v, depth=2), field_lists(), is_field_list, 0)],
    TableCodec: [
        (lambda v: TableCodec(v, TextCodec(v), most_columns=4), tables(st.text(max_size=3)), is_table, 0),
        (
            lambda v: TableCodec(v, PointCodec(v, most=1), most_columns=4),
            tables(st.lists(point, max_size=1)),
            is_table_of_points,
            0.5000001 / 20,
        ),
    ],
    HtmlCodec: [
        (
            lambda v: HtmlCodec(v, most_columns=4),
            tables(st.text(max_size=3)).map(lambda cells: HtmlTable(tuple(cells))),
            is_table,
            0,
        )
    ],
    PointCodec: [
        (lambda v: PointCodec(v), st.lists(point, max_size=5), matches("(LL)*E"), 0.5000001 / 20),
        (
            lambda v: PointCodec(v, least=4, most=4),
            st.lists(point, min_size=4, max_size=4),
            matches("(LL){4}E"),
            0.5000001 / 20,
        ),
    ],
    SpottingCodec: [(lambda v: SpottingCodec(v), st.lists(spotted, max_size=3), is_spotting, 0.5000001 / 20)],
    UnitCodec: [(lambda v: UnitCodec(v), st.lists(st.integers(0, 7), max_size=9), matches("U*E"), 0)],
}
