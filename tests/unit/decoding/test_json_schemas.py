"""What is read of JSON schemas."""

import datetime
import re

from unimodal.decoding.json_schemas import checked_schema

DAYS = ("01-31", "02-28", "02-29", "02-30", "04-30", "04-31", "12-31", "00-10", "13-01", "06-00")


def test_dates_are_those_of_the_calendar():
    pattern = re.compile(checked_schema({"type": "string", "format": "date"})["pattern"])
    for text in (f"{year:04d}-{day}" for year in range(0, 3000) for day in DAYS):
        try:
            datetime.date.fromisoformat(text)
        except ValueError:
            assert not pattern.match(text), text
        else:
            assert pattern.match(text), text


def test_required_properties_come_first():
    schema = {"properties": {"a": {}, "b": {"properties": {"c": {}, "d": {}}, "required": ["d"]}}, "required": ["b"]}
    checked = checked_schema(schema)
    assert list(checked["properties"]) == ["b", "a"]
    assert list(checked["properties"]["b"]["properties"]) == ["d", "c"]
    assert list(schema["properties"]) == ["a", "b"]
