"""JSON by a schema: the laws of a guide on a real vocabulary, answers that jsonschema accepts, hostile schemas."""

import json
import math
import time

import jsonschema
import pytest
import torch

from unimodal.codecs.text import TextCodec
from unimodal.decoding.generate import decoding_of
from unimodal.guides.chain import ChainGuide
from unimodal.guides.grammar import GrammarGuide
from unimodal.guides.json_schema import JsonSchemaGuide

NODE = {
    "type": "object",
    "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}, "value": {"type": "number"}},
    "required": ["value"],
    "additionalProperties": False,
}
ADDITION = {"op": {"const": "add"}, "left": {"$ref": "#/$defs/term"}, "right": {"$ref": "#/$defs/term"}}
SCHEMAS = {
    "person": {
        "type": "object",
        "properties": {
            "tags": {"type": "array", "items": {"type": "string"}, "maxItems": 3},
            "name": {"type": "string"},
            "age": {"type": "integer", "minimum": 0, "maximum": 150},
        },
        "required": ["name", "age"],
        "additionalProperties": False,
    },
    "tree": {"$defs": {"node": NODE}, "$ref": "#/$defs/node"},
    "terms": {  # a term must not begin additions that cannot be finished
        "$defs": {
            "term": {
                "anyOf": [
                    {"type": "object", "properties": ADDITION, "required": [*ADDITION], "additionalProperties": False},
                    {"enum": ["zero", 1, None]},
                ]
            }
        },
        "$ref": "#/$defs/term",
    },
    "strings": {
        "type": "object",
        "properties": {
            "id": {"type": "string", "pattern": "^[A-Z]{2}\\d{4}$"},
            "code": {"type": "string", "pattern": "^(a|b{20})*c$"},
            "day": {"type": "string", "format": "date"},
            "note": {"type": "string", "minLength": 3, "maxLength": 8},
        },
        "required": ["id", "day", "note", "code"],
        "additionalProperties": False,
    },
    "lists": {
        "type": "array",
        "items": {"type": "object", "properties": {"a": {"enum": ["x", "y" * 30]}}, "required": ["a"]},
        "minItems": 2,
    },
}


def shortest(vocabulary, schema):
    """The fewest tokens that the guide takes as a limit, as its message says."""
    with pytest.raises(ValueError, match="^limit: the shortest answer has ") as caught:
        JsonSchemaGuide(vocabulary, schema=schema, limit=1)
    return int(str(caught.value).split()[5])


def written(guide, vocabulary, limit, rows=16):
    """Rows of random answers, whatever a decoder that knows nothing would write."""
    state, steps = guide.start(rows), []
    for _ in range(limit):
        scores = guide.adjust(3 * torch.randn(rows, len(vocabulary.space)), state)
        steps.append(scores.softmax(-1).multinomial(1)[:, 0])
        state = guide.advance(state, steps[-1])
    return torch.stack(steps, 1).tolist()


@pytest.mark.parametrize("room", [0, 1, 7, 60])
@pytest.mark.parametrize("name", SCHEMAS)
def test_answers_to_any_limit_are_valid(vocabulary, name, room):
    schema, end = SCHEMAS[name], vocabulary.space.end
    limit = shortest(vocabulary, schema) + room
    guide = JsonSchemaGuide(vocabulary, schema=schema, limit=limit)
    # As it is used: behind the grammar of the task.
    for guided in (guide, ChainGuide([GrammarGuide(TextCodec(vocabulary).grammar(), limit=limit), guide])):
        answers = written(guided, vocabulary, limit)
        for ids in answers:
            assert end in ids
            text = vocabulary.pieces.decode(ids[: ids.index(end)])
            jsonschema.validate(json.loads(text), schema, format_checker=jsonschema.FormatChecker())
            assert set(ids[ids.index(end) + 1 :]) <= {vocabulary.space.pad}
        assert room < 7 or len({tuple(ids) for ids in answers}) > 2


def test_without_a_limit_only_what_the_schema_allows_comes_next(vocabulary):
    guide = JsonSchemaGuide(vocabulary, schema={"type": "array", "items": {"type": "integer", "minimum": 0}})
    state, logits = guide.start(1), torch.zeros(1, len(vocabulary.space))
    for sign, expected in zip("[12,", ("[", "]0123456789", ",]0123456789", ",]0123456789"), strict=True):
        allowed = (guide.adjust(logits, state)[0] > -math.inf).nonzero()[:, 0].tolist()
        texts = {vocabulary.pieces.bytes_of(id).decode() for id in allowed}
        assert {text for text in texts if len(text) == 1} == set(expected)
        state = guide.advance(state, torch.tensor(vocabulary.pieces.encode(sign)))


def test_rows_stand_alone_and_may_be_taken_in_any_order(vocabulary):
    guide = JsonSchemaGuide(vocabulary, schema=SCHEMAS["person"], limit=40)
    rows, texts = torch.tensor([2, 2, 0, 1, 3]), ['{"name":"a', '{"name":"b', '{"name":"","ag', '{"na?e":"xyzzy']
    ids = [vocabulary.pieces.spell(text)[:10] for text in texts]
    logits = torch.randn(4, len(vocabulary.space))
    state, taken = guide.start(4), guide.take(guide.start(4), rows)
    for column in torch.tensor(ids).T:
        adjusted, given = guide.adjust(logits, state), logits.clone()
        assert torch.equal(guide.adjust(logits[rows], taken), adjusted[rows])
        assert torch.equal(guide.adjust(logits[rows], guide.take(state, rows)), adjusted[rows])
        assert (adjusted > -math.inf).any(-1).all() and torch.equal(logits, given)
        state, taken = guide.advance(state, column), guide.advance(taken, column[rows])
    assert torch.equal(guide.adjust(logits, state)[3], logits[3]), "a row that left the grammar is free"


def nested(levels):
    schema = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "array", "items": schema}
    return schema


HOSTILE = {
    "a list": ([], "schema: expected an object of JSON, got list"),
    "no JSON": ({"const": math.nan}, "schema: is no JSON: "),
    "another object": ({"const": {1}}, "schema: is no JSON: "),
    "deep": (nested(5000), "schema: is more than 32 levels deep"),
    "long": ({"description": "x" * 70_000}, "schema: has 70019 bytes, more than 65536"),
    "many": ({"anyOf": [{}] * 600}, "schema: holds 601 schemas, more than 500"),
    "remote": ({"items": {"$ref": "https://example.com/x"}}, "schema: #/items: a \\$ref leads to the schema's own"),
    "file": ({"$ref": "file:///etc/passwd"}, "schema: #: a \\$ref leads to the schema's own parts"),
    "renamed": ({"$id": "https://example.com/x"}, "schema: #: \\$id is not followed"),
    "nowhere": ({"$ref": "#/$defs/nothing"}, "schema: .*nothing"),
    "itself": ({"$ref": "#"}, "schema: "),
    "endless": (
        {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]},
        "schema: no answer of up to",
    ),
    "impossible": ({"type": "integer", "minimum": 3, "maximum": 1}, "schema: Unsatisfiable schema"),
    "unknown type": ({"type": "strin"}, "schema: Invalid type: strin"),
    "unknown keyword": ({"not": {"type": "string"}}, "schema: Unimplemented keys"),
    "huge pattern": ({"type": "string", "pattern": "^" + "(a{999}){999}" * 9 + "$"}, "schema: "),
    "long answer": ({"type": "string", "minLength": 99_999}, "schema: #: minLength asks for more than 1000"),
    "long pattern": ({"type": "string", "pattern": "^[ab]{9000}$"}, "schema: no answer of up to 2000 tokens"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_schemas_are_refused_in_one_line_and_soon(vocabulary, name):
    schema, message = HOSTILE[name]
    began = time.process_time()
    with pytest.raises(ValueError, match=f"^{message}") as caught:
        JsonSchemaGuide(vocabulary, schema=schema, limit=50)
    assert "\n" not in str(caught.value)
    assert time.process_time() - began < 5


def test_a_limit_below_the_shortest_answer_is_refused(vocabulary):
    with pytest.raises(ValueError, match="^limit: the shortest answer has 3 tokens, so none fits into 2"):
        JsonSchemaGuide(vocabulary, schema={"enum": ["ab", 12]}, limit=2)


def test_one_line_of_a_decoding_asks_for_a_schema(vocabulary):
    schema = {"enum": ["ab", 12]}
    spec = {
        "sampler": "unimodal.samplers.greedy.Greedy",
        "guides": [{"class": "unimodal.guides.json_schema.JsonSchemaGuide", "schema": schema}],
    }
    (guide,) = decoding_of(spec, vocabulary).guides
    assert isinstance(guide, JsonSchemaGuide)
    with pytest.raises(ValueError, match=r"^decoding.guides\[0\].*limit: the shortest answer has 3 tokens"):
        decoding_of({**spec, "limit": 2}, vocabulary)
    with pytest.raises(ValueError, match="vocabulary"):
        decoding_of(spec)
