"""JSON schemas from anywhere: what of them may be read, and the schemas within a schema."""

import json
import math
import re
from collections.abc import Iterator, Mapping
from typing import Any

MOST_BYTES = 2**16
MOST_LEVELS = 32
MOST_SCHEMAS = 500
MOST_COUNTED = 1000
_MOVING = ("$id", "id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveRef", "$recursiveAnchor")
"""Keywords that change what a reference means."""
_LEAST = ("minLength", "minItems", "minProperties")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions")
_IN_LISTS = ("prefixItems", "anyOf", "oneOf", "allOf")
_SINGLE = ("items", "additionalProperties")

_YEAR = r"(\d{3}[1-9]|\d{2}[1-9]\d|\d[1-9]\d{2}|[1-9]\d{3})"
_DAY = r"((0[13578]|1[02])-(0[1-9]|[12]\d|3[01])|(0[469]|11)-(0[1-9]|[12]\d|30)|02-(0[1-9]|1\d|2[0-8]))"
_LEAP = r"(\d{2}(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)-02-29"
_DATE = f"({_YEAR}-{_DAY}|{_LEAP})"
_TIME = r"([01]\d|2[0-3]):[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]([01]\d|2[0-3]):[0-5]\d)"
_CALENDAR = {"date": f"^{_DATE}$", "date-time": f"^{_DATE}T{_TIME}$"}
"""The Gregorian calendar's days from year 1 on: the library's own patterns know no leap years."""
Schema = dict[str, Any]


def checked_schema(given: object) -> Schema:
    """The schema as it is held to: dates as patterns, and required properties first, so that no optional one is needed.

    Raises ValueError for what is no schema in JSON, for one of more than `MOST_BYTES`, `MOST_LEVELS` within one another
    or `MOST_SCHEMAS`, and for references to anything but its own parts.
    """
    if not isinstance(given, Mapping):
        raise ValueError(f"schema: expected an object of JSON, got {type(given).__name__}")
    if _num_levels(given) > MOST_LEVELS:
        raise ValueError(f"schema: is more than {MOST_LEVELS} levels deep")
    try:
        text = json.dumps(given, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"schema: is no JSON: {error}") from error
    if len(text) > MOST_BYTES:
        raise ValueError(f"schema: has {len(text)} bytes, more than {MOST_BYTES}")
    schema: Schema = json.loads(text)
    found = list(subschemas(schema))
    if len(found) > MOST_SCHEMAS:
        raise ValueError(f"schema: holds {len(found)} schemas, more than {MOST_SCHEMAS}")
    for pointer, part in found:
        _check(pointer, part)
        _put_required_first(part)
        if part.get("format") in _CALENDAR:
            if "pattern" in part:
                raise ValueError(f"schema: {pointer}: a {part['format']} takes no pattern beside it")
            part["pattern"] = _CALENDAR[part.pop("format")]
    return schema


def subschemas(schema: Schema, pointer: str = "#") -> Iterator[tuple[str, Schema]]:
    """Each schema that is a mapping, with its place as a JSON pointer: the whole first."""
    yield pointer, schema
    for keyword in _BY_NAME:
        named = schema.get(keyword)
        for name, part in named.items() if isinstance(named, dict) else ():
            yield from _at(f"{pointer}/{keyword}/{name.replace('~', '~0').replace('/', '~1')}", part)
    for keyword in _IN_LISTS:
        listed = schema.get(keyword)
        for number, part in enumerate(listed if isinstance(listed, list) else ()):
            yield from _at(f"{pointer}/{keyword}/{number}", part)
    for keyword in _SINGLE:
        yield from _at(f"{pointer}/{keyword}", schema.get(keyword))


def part_alone(schema: Schema, pointer: str) -> Schema:
    """One of the schemas within a schema as a whole one; its references hold."""
    return {"$defs": {"whole": _moved(schema)}, "$ref": f"#/$defs/whole{pointer[1:]}"}


def longest_detour(schema: Schema) -> int:
    """How many bytes a choice within a key or a string may cost: the rest of a key, a listed value, a pattern, a sign.

    Of a pattern no more is looked at than its length and the numbers in it.
    """
    most = 0
    for _, part in subschemas(schema):
        values = [*part.get("enum", []), *([part["const"]] if "const" in part else [])]
        words = [json.dumps(value) for value in [*values, *part.get("properties", {}), *part.get("required", [])]]
        own = part.get("pattern", "")
        patterns = ["" if own in _CALENDAR.values() else own, *part.get("patternProperties", {})]
        most = max([most, *map(len, words), *map(_num_places, patterns), 64])
    return most + 12  # an escaped pair of surrogates


def _num_places(pattern: str) -> int:
    """A bound on the places of a pattern with its repetitions written out."""
    counts = [
        int(number) for numbers in re.findall(r"\{([\d,]+)\}", pattern) for number in numbers.split(",") if number
    ]
    return len(pattern) * math.prod(count for count in counts if count)


def _num_levels(value: object, most: int = MOST_LEVELS) -> int:
    """Levels of a tree, counted no further than one beyond `most`."""
    inner = value.values() if isinstance(value, Mapping) else value if isinstance(value, list | tuple) else ()
    return 1 + max((_num_levels(part, most - 1) for part in inner), default=0) if most >= 0 else 0


def _at(pointer: str, part: object) -> Iterator[tuple[str, Schema]]:
    if isinstance(part, dict):
        yield from subschemas(part, pointer)


def _check(pointer: str, part: Schema) -> None:
    for keyword in _MOVING:
        if isinstance(part.get(keyword), str):
            raise ValueError(f"schema: {pointer}: {keyword} is not followed")
    for keyword in _LEAST:
        if isinstance(part.get(keyword), int) and part[keyword] > MOST_COUNTED:
            raise ValueError(f"schema: {pointer}: {keyword} asks for more than {MOST_COUNTED}")
    reference = part.get("$ref", "#")
    if not isinstance(reference, str) or not reference.startswith("#"):
        raise ValueError(
            f"schema: {pointer}: a $ref leads to the schema's own parts, as in #/$defs/name, not elsewhere"
        )


def _put_required_first(part: Schema) -> None:
    properties, required = part.get("properties"), part.get("required")
    if isinstance(properties, dict) and isinstance(required, list):
        part["properties"] = dict(sorted(properties.items(), key=lambda item: item[0] not in required))


def _moved(value: Any) -> Any:
    """A schema's parts, with references as they are where it lies one level deeper."""
    if isinstance(value, dict):
        references = {"$ref": f"#/$defs/whole{value['$ref'][1:]}"} if isinstance(value.get("$ref"), str) else {}
        return {**{key: _moved(part) for key, part in value.items()}, **references}
    return [_moved(part) for part in value] if isinstance(value, list) else value
