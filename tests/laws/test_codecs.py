"""Every codec found in the folder: the round trip, a grammar that an independent matcher agrees with, no crash."""

import dataclasses
import functools
import importlib
import inspect
import itertools
import math
import pkgutil

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import unimodal.codecs
from tests.laws.codec_cases import CASES, NAMES
from unimodal.codecs import Codec
from unimodal.codecs.bins import BinCodec
from unimodal.codecs.boxes import BoxCodec
from unimodal.codecs.digits import DigitCodec
from unimodal.codecs.events import Event, EventCodec
from unimodal.codecs.fields import Field, FieldCodec
from unimodal.codecs.labels import LabelCodec
from unimodal.codecs.numbers import NumberCodec
from unimodal.codecs.tables import Cell, TableCodec
from unimodal.codecs.text import TextCodec
from unimodal.codecs.units import UnitCodec
from unimodal.grammars import DEAD, NEVER

# Types of made objects are checked at random places.
pytestmark = pytest.mark.filterwarnings("ignore:Do not use the `random` module inside strategies")
law = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck))


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
    text = TextCodec(vocabulary)
    for encode, mistake, message in (
        (LabelCodec(vocabulary, names=NAMES).encode, "mouse", "'mouse' is none of the 5 names"),
        (DigitCodec(vocabulary).encode, "12a", "'12a' is no string of 1 to 16 digits"),
        (DigitCodec(vocabulary).encode, "١", "is no string"),
        (NumberCodec(vocabulary, max_digits=2).encode, 100.0, "100.0 is no number of up to 2 digits"),
        (NumberCodec(vocabulary).encode, math.nan, "nan is no number"),
        (BinCodec(vocabulary, kind="time").encode, [1.5], "outside its extent"),
        (BinCodec(vocabulary, kind="time").encode, [], "expected 1 numbers, got 0"),
        (BoxCodec(vocabulary).encode, (0.5, 0, 0.4, 1), "each pair in order"),
        (UnitCodec(vocabulary).encode, [40], "there are 40 units, so no unit 40"),
        (EventCodec(vocabulary, seconds=9).encode, [Event(2, 1, "a")], "expected events in order"),
        (EventCodec(vocabulary, seconds=9).encode, [Event(2, 3, "a"), Event(1, 3, "b")], "expected events in order"),
        (EventCodec(vocabulary, seconds=9).encode, [Event(2, 9.1, "a")], "a start and an end in 0 to 9"),
        (FieldCodec(vocabulary).encode, [Field("total", "1")], "expected one of name, price, items"),
        (FieldCodec(vocabulary, depth=1).encode, [Field("items", (Field("name", ""),))], "1 deep at most"),
        (FieldCodec(vocabulary).encode, [Field("items", ())], "not empty"),
        (TableCodec(vocabulary, text).encode, [], "1 to 20 columns, not 0"),
        (TableCodec(vocabulary, text, most_columns=2).encode, [Cell(0, 0, "", width=3)], "1 to 2 columns, not 3"),
        (TableCodec(vocabulary, text).encode, [Cell(0, 0, ""), Cell(1, 1, "")], "do not cover 2 rows and 2 columns"),
        (
            TableCodec(vocabulary, text).encode,
            [Cell(0, 0, "", width=2), Cell(0, 1, ""), Cell(1, 0, "")],
            "on another cell",
        ),
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
        (lambda: TableCodec(vocabulary, text, most_columns=21), "most_columns: expected 1 to 20, got 21"),
        (lambda: TableCodec(vocabulary, BoxCodec(vocabulary)), "contents: a cell cannot hold what BoxCodec writes"),
        (lambda: TableCodec(vocabulary, DigitCodec(vocabulary)), "or cannot be empty"),
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
    table = TableCodec(vocabulary, TextCodec(vocabulary), most_columns=3)
    assert table.decode([]) == [Cell(0, 0, "")]
    assert table.decode([a, left, b, row, cell, a, left]) == [Cell(0, 0, ""), Cell(0, 1, ""), Cell(1, 0, "a", 1, 2)]
    assert table.decode([cell, left, row, up, cell, b]) == [Cell(0, 0, "", 2, 2)]
    assert table.decode([cell, cross, row]) == [Cell(0, 0, ""), Cell(0, 1, "")]
    for ids in ([cell] * 5, [row, cell, a, row], [up, cross, left, row, row]):
        assert table.decode(table.encode(table.decode(ids))) == table.decode(ids)
