"""Every codec found in the folder: the round trip, a grammar that an independent matcher agrees with, no crash."""

import dataclasses
import functools
import importlib
import inspect
import itertools
import math
import pkgutil
import re

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unimodal.codecs
from unimodal.codecs import Codec
from unimodal.codecs.bins import BinCodec
from unimodal.codecs.boxes import BoxCodec
from unimodal.codecs.characters import CharacterCodec
from unimodal.codecs.digits import DigitCodec
from unimodal.codecs.events import Event, EventCodec
from unimodal.codecs.fields import Field, FieldCodec
from unimodal.codecs.labels import LabelCodec
from unimodal.codecs.numbers import NumberCodec
from unimodal.codecs.tables import Cell, TableCodec
from unimodal.codecs.text import TextCodec
from unimodal.codecs.units import UnitCodec
from unimodal.grammars import DEAD, NEVER

law = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))
NAMES = ["cat", "car", "cat food", "a dog", "élan"]


def signs(vocabulary, ids):
    """One character an id: digits, point and minus as they are; L, T, U for ranges; E for the end; ? for the rest."""
    written = {vocabulary.pieces.encode(sign)[0]: sign for sign in "0123456789.-"}
    letters = {"loc": "L", "time": "T", "unit": "U"}
    space = vocabulary.space
    return "".join(written.get(id) or letters.get(space.kind(id)) or ("E" if id == space.end else "?") for id in ids)


def matches(pattern):
    return lambda vocabulary, ids: re.fullmatch(pattern, signs(vocabulary, ids)) is not None


def is_text(vocabulary, ids):
    if ids[-1:] != [vocabulary.space.end] or not all(vocabulary.space.kind(id) == "text" for id in ids[:-1]):
        return False
    spelled = b"".join(vocabulary.pieces.bytes_of(id) for id in ids[:-1])
    # Bytes of a character are not interrupted by a longer piece: a piece holds whole characters, so UTF-8 sees to it.
    return spelled.decode(errors="ignore").encode() == spelled


def is_label(vocabulary, ids):
    return ids in [[*vocabulary.pieces.encode(name), vocabulary.space.end] for name in NAMES]


def is_box(vocabulary, ids):
    return matches("LLLLE")(vocabulary, ids) and ids[0] <= ids[2] and ids[1] <= ids[3]


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


def is_table(vocabulary, ids, most_columns=4):
    """Marks drawn as a picture in which every cell must be a full rectangle of its own."""
    space = vocabulary.space
    if ids[-1:] != [space.end] or not all(space.kind(id) in ("text", "grid") for id in ids[:-1]):
        return False
    rows, texts = [[]], []
    for id in ids[:-1]:
        name = space.name(id) if space.kind(id) == "grid" else "text"
        if name == "row":
            rows.append([])
        elif name == "text":
            if not rows[-1] or rows[-1][-1] not in ("cell", "header"):
                return False
            texts[-1].append(id)
        else:
            rows[-1].append(name)
            texts.append([])
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
    return all(is_text(vocabulary, [*text, space.end]) for text in texts)


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
def tables(draw):
    """Cells put on the first free place, as far as they may reach."""
    num_rows, num_columns = draw(st.integers(1, 3)), draw(st.integers(1, 4))
    taken, cells = set(), []
    for row, column in itertools.product(range(num_rows), range(num_columns)):
        if (row, column) in taken:
            continue
        next_taken = min([place for line, place in taken if line == row and place > column], default=num_columns)
        width, height = draw(st.integers(1, next_taken - column)), draw(st.integers(1, num_rows - row))
        taken |= set(itertools.product(range(row, row + height), range(column, column + width)))
        cells.append(Cell(row, column, draw(st.text(max_size=3)), height, width, draw(st.booleans())))
    return cells


share = st.floats(0, 1)
box = st.tuples(share, share, share, share).map(lambda b: (min(b[0], b[2]), min(b[1], b[3]), max(b[::2]), max(b[1::2])))
# Codec -> [(how to make it, its objects, an independent matcher of its language, the error that its resolution allows)]
CASES = {
    CharacterCodec: [(lambda v: CharacterCodec(v), st.text(max_size=12), is_text, 0)],
    TextCodec: [(lambda v: TextCodec(v), st.text(max_size=12) | st.sampled_from(["", "the value: é漢𝄞"]), is_text, 0)],
    LabelCodec: [(lambda v: LabelCodec(v, names=NAMES), st.sampled_from(NAMES), is_label, 0)],
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
    TableCodec: [(lambda v: TableCodec(v, most_columns=4), tables(), is_table, 0)],
    UnitCodec: [(lambda v: UnitCodec(v), st.lists(st.integers(0, 7), max_size=9), matches("U*E"), 0)],
}


@functools.cache
def made(case, vocabulary):
    return case[0](vocabulary)


def found():
    for module in pkgutil.iter_modules(unimodal.codecs.__path__, "unimodal.codecs."):
        for _, part in inspect.getmembers(importlib.import_module(module.name), inspect.isclass):
            if issubclass(part, Codec) and part.__module__ == module.name:
                yield part


every_codec = pytest.mark.parametrize(
    "case", list(itertools.chain(*CASES.values())), ids=lambda case: case[1].__repr__()[:30]
)


def near(left, right, error):
    if dataclasses.is_dataclass(left):
        left, right = dataclasses.astuple(left), dataclasses.astuple(right)
    if isinstance(left, (list, tuple)):
        return len(left) == len(right) and all(near(a, b, error) for a, b in zip(left, right, strict=True))
    return left == right if isinstance(left, str) else abs(left - right) <= error


def test_every_codec_of_the_folder_is_tried_here():
    assert set(found()) == set(CASES)


@every_codec
@law
@given(data=st.data())
def test_what_is_encoded_comes_back_and_is_in_the_grammar(vocabulary, case, data):
    _, objects, is_legal, error = case
    codec, obj = made(case, vocabulary), data.draw(objects)
    ids = codec.encode(obj)
    assert near(codec.decode(ids), obj, error)
    assert codec.decode([*ids, vocabulary.space.end, *ids]) == codec.decode(ids)
    assert codec.encode(codec.decode(ids)) == ids
    assert codec.grammar().accepts([*ids, vocabulary.space.end])
    assert is_legal(vocabulary, [*ids, vocabulary.space.end])


@every_codec
@law
@given(data=st.data())
def test_every_illegal_edit_is_rejected_and_none_breaks_the_reader(vocabulary, case, data):
    _, objects, is_legal, _ = case
    codec = made(case, vocabulary)
    ids = [*codec.encode(data.draw(objects)), vocabulary.space.end]
    place = data.draw(st.integers(0, len(ids) - 1))
    token = data.draw(st.sampled_from(ids) | st.integers(0, len(vocabulary.space) - 1))
    grammar = codec.grammar()
    edits = (
        ids[:place] + ids[place + 1 :],
        [*ids[:place], token, *ids[place:]],
        [*ids[:place], token, *ids[place + 1 :]],
        [*ids, token],
        ids[:place] + ids[place : place + 2][::-1] + ids[place + 2 :],
    )
    for edit in edits:
        assert grammar.accepts(edit) == is_legal(vocabulary, edit), edit
        codec.decode(edit)


@every_codec
@law
@given(ids=st.lists(st.integers(-5, 10**6)))
def test_nothing_breaks_the_reader(vocabulary, case, ids):
    made(case, vocabulary).decode(ids)


@every_codec
@pytest.mark.parametrize("seed", range(3))
def test_a_walk_under_the_grammar_never_sticks_and_is_read(vocabulary, case, seed):
    _, _, is_legal, _ = case
    codec, generator = made(case, vocabulary), torch.Generator().manual_seed(seed)
    grammar, end, rows = codec.grammar(), vocabulary.space.end, 12
    state, written = grammar.start(rows), [[] for _ in range(rows)]
    for step in itertools.count():
        final = grammar.final(state)
        allowed = grammar.allowed(state, grammar.distance(state) if step > 30 else None)
        assert (allowed.any(-1) | final).all()
        if final.all():
            break
        weights = allowed * torch.rand(allowed.shape, generator=generator)
        weights[:, end] *= 0.5 if step < 8 else 1e9
        token = torch.where(final, end, torch.multinomial(weights + final[:, None], 1, generator=generator)[:, 0])
        state = torch.where(final, state, grammar.step(state, token))
        for row in (~final).nonzero()[:, 0].tolist():
            written[row].append(int(token[row]))
    for ids in written:
        assert is_legal(vocabulary, ids), ids
        obj = codec.decode(ids)
        assert codec.decode(codec.encode(obj)) == obj


@every_codec
@law
@given(data=st.data())
def test_a_step_is_dead_exactly_where_it_is_not_allowed(vocabulary, case, data):
    codec, every = made(case, vocabulary), torch.arange(len(vocabulary.space))
    grammar = codec.grammar()
    state, ids = grammar.start(1), [*codec.encode(data.draw(case[1])), vocabulary.space.end]
    for token in ids:
        assert torch.equal(grammar.step(state.expand(len(every)), every) != DEAD, grammar.allowed(state)[0])
        state = grammar.step(state, torch.tensor([token]))
    dead = torch.tensor([DEAD])
    for stuck in (state, dead):
        assert not grammar.allowed(stuck).any()
        assert (grammar.step(stuck.expand(len(every)), every) == DEAD).all()
    assert not grammar.final(dead).any()
    shaped = grammar.start(6).reshape(2, 3)
    assert grammar.allowed(shaped).shape == (2, 3, len(every))


@every_codec
@pytest.mark.parametrize("room", [0, 1, 5])
def test_within_a_limit_the_shortest_way_to_the_end_stays_open(vocabulary, case, room):
    """What is allowed within n tokens leads to states whose shortest way to the end fits into the n - 1 that follow."""
    grammar, every, rows = made(case, vocabulary).grammar(), torch.arange(len(vocabulary.space)), 8
    state = grammar.start(rows)
    left = grammar.distance(state) + room
    while not grammar.final(state).all():
        allowed, running = grammar.allowed(state, left), ~grammar.final(state)
        following = grammar.step(state[:, None].expand(rows, len(every)), every.expand(rows, -1))
        assert torch.equal(allowed, (following != DEAD) & (grammar.distance(following) < left[:, None]))
        assert allowed[running].any(-1).all()
        assert (grammar.distance(following).min(-1).values[running] == grammar.distance(state)[running] - 1).all()
        token = torch.multinomial(allowed.float() + ~running[:, None], 1)[:, 0]
        state, left = torch.where(running, grammar.step(state, token), state), left - 1
        assert (left >= 0).all()
    assert not grammar.allowed(torch.tensor([DEAD]), torch.tensor([9])).any()
    assert grammar.distance(torch.tensor([DEAD])).item() == NEVER


def test_objects_without_tokens_are_named(vocabulary):
    for encode, mistake, message in (
        (LabelCodec(vocabulary, names=NAMES).encode, "mouse", "'mouse' is none of the 5 names"),
        (DigitCodec(vocabulary).encode, "12a", "'12a' is no string of 1 to 16 digits"),
        (DigitCodec(vocabulary).encode, "١", "is no string"),
        (NumberCodec(vocabulary, max_digits=2).encode, 100.0, "100.0 is no number of up to 2 digits"),
        (NumberCodec(vocabulary).encode, math.nan, "nan is no number"),
        (BinCodec(vocabulary, kind="time").encode, [1.5], "outside its extent"),
        (BinCodec(vocabulary, kind="time").encode, [], "expected 1 numbers, got 0"),
        (BoxCodec(vocabulary).encode, (0.5, 0, 0.4, 1), "each pair in order"),
        (UnitCodec(vocabulary).encode, [8], "there are 8 units, so no unit 8"),
        (EventCodec(vocabulary, seconds=9).encode, [Event(2, 1, "a")], "expected events in order"),
        (EventCodec(vocabulary, seconds=9).encode, [Event(2, 3, "a"), Event(1, 3, "b")], "expected events in order"),
        (EventCodec(vocabulary, seconds=9).encode, [Event(2, 9.1, "a")], "a start and an end in 0 to 9"),
        (FieldCodec(vocabulary).encode, [Field("total", "1")], "expected one of name, price, items"),
        (FieldCodec(vocabulary, depth=1).encode, [Field("items", (Field("name", ""),))], "1 deep at most"),
        (FieldCodec(vocabulary).encode, [Field("items", ())], "not empty"),
        (TableCodec(vocabulary).encode, [], "1 to 20 columns, not 0"),
        (TableCodec(vocabulary, most_columns=2).encode, [Cell(0, 0, "", width=3)], "1 to 2 columns, not 3"),
        (TableCodec(vocabulary).encode, [Cell(0, 0, ""), Cell(1, 1, "")], "do not cover 2 rows and 2 columns"),
        (TableCodec(vocabulary).encode, [Cell(0, 0, "", width=2), Cell(0, 1, ""), Cell(1, 0, "")], "on another cell"),
    ):
        with pytest.raises(ValueError, match=message):
            encode(mistake)
    for make, message in (
        (lambda: LabelCodec(vocabulary, names=[]), "names: "),
        (lambda: LabelCodec(vocabulary, names=["a", "a"]), "names: "),
        (lambda: DigitCodec(vocabulary, min_digits=3, max_digits=2), "min_digits"),
        (lambda: NumberCodec(vocabulary, max_digits=15, num_decimals=1), "num_decimals"),
        (lambda: BinCodec(vocabulary, kind="lok"), "no kind 'lok'; did you mean 'loc'"),
        (lambda: BinCodec(vocabulary, kind="loc", low=1, high=0), "low"),
        (lambda: BinCodec(vocabulary, kind="loc", num_values=0), "num_values"),
        (lambda: EventCodec(vocabulary, seconds=0), "seconds"),
        (lambda: FieldCodec(vocabulary, depth=0), "depth"),
        (lambda: FieldCodec(vocabulary, kind="grid"), "'grid' has no '/'"),
        (lambda: TableCodec(vocabulary, most_columns=21), "most_columns: expected 1 to 20, got 21"),
    ):
        with pytest.raises(ValueError, match=message):
            make()


def test_illegal_ids_are_read_as_the_codec_says(vocabulary):
    pieces, loc, space = vocabulary.pieces, vocabulary.space.ids("loc"), vocabulary.space
    assert LabelCodec(vocabulary, names=NAMES).decode(pieces.encode("cat fo")) == "cat food"
    assert LabelCodec(vocabulary, names=NAMES).decode(pieces.encode("zebra")) == "cat"
    assert DigitCodec(vocabulary, max_digits=2).decode([*pieces.encode("1a2"), loc[0], *pieces.encode("3")]) == "12"
    assert NumberCodec(vocabulary).decode(pieces.encode(" -7.5 apples")) == -7.5
    assert math.isnan(NumberCodec(vocabulary).decode(pieces.encode("apples")))
    assert BinCodec(vocabulary, kind="loc", num_values=2).decode([space.end + 4, loc[0]]) == [0.025, 0.5]
    assert BoxCodec(vocabulary).decode([loc[9], loc[8], loc[1]]) == (0.075, 0.425, 0.475, 0.975)
    assert UnitCodec(vocabulary).decode([loc[0], space.id("unit", 3), -1]) == [3]
    assert TextCodec(vocabulary).decode([*pieces.encode("é")[:1], loc[0]]) in ("é", "\N{REPLACEMENT CHARACTER}")


def test_illegal_events_fields_and_tables_are_read_as_the_codec_says(vocabulary):
    space = vocabulary.space
    time, (a, b) = space.ids("time"), (vocabulary.pieces.encode(sign)[0] for sign in "ab")
    events = EventCodec(vocabulary, seconds=10)
    assert events.decode([a, time[5], a, time[7], time[3], b]) == [Event(5.5, 5.5, "a"), Event(7.5, 7.5, "b")]
    assert events.decode([time[5], time[5], time[1]]) == [Event(1.5, 1.5, ""), Event(5.5, 5.5, "")]
    fields, named = FieldCodec(vocabulary, depth=2), {space.name(id): id for id in space.ids("field")}
    ids = [a, named["/"], named["items"], a, named["name"], b, named["/"], a, named["/"], named["price"], a]
    assert fields.decode(ids) == [Field("items", (Field("name", "b"),)), Field("price", "a")]
    cell, left, up, cross, row = (space.id("grid", name) for name in ("cell", "left", "up", "cross", "row"))
    table = TableCodec(vocabulary, most_columns=3)
    assert table.decode([]) == [Cell(0, 0, "")]
    assert table.decode([a, left, b, row, cell, a, left]) == [Cell(0, 0, ""), Cell(0, 1, ""), Cell(1, 0, "a", 1, 2)]
    assert table.decode([cell, left, row, up, cell, b]) == [Cell(0, 0, "", 2, 2)]
    assert table.decode([cell, cross, row]) == [Cell(0, 0, ""), Cell(0, 1, "")]
    for ids in ([cell] * 5, [row, cell, a, row], [up, cross, left, row, row]):
        assert table.decode(table.encode(table.decode(ids))) == table.decode(ids)
