"""Tasks that a folder brings along: those of this package, with plain settings."""

import json
from pathlib import Path

import pytest

from unimodal.loading.own_tasks import FILE, OwnTask, read_tasks, write_tasks

BROKEN = {
    "no object": ("asr", "asr_es: expected"),
    "no task": ({"settings": {}}, "asr_es: expected"),
    "unknown": ({"like": "sing"}, "asr_es.like: unknown task 'sing'"),
    "more": ({"like": "asr", "code": "x"}, "asr_es: expected"),
    "no settings": ({"like": "asr", "settings": [1]}, "asr_es.settings: expected an object"),
    "a class": ({"like": "asr", "settings": {"class": "os.system"}}, "asr_es.settings.class: no such thing"),
    "a place": ({"like": "asr", "settings": {"cache": "/"}}, "asr_es.settings.cache: no such thing"),
    "a part": ({"like": "asr", "settings": {"name": {"class": "x"}}}, "asr_es.settings.name: no such thing"),
}


def test_they_are_read_as_they_were_written(tmp_path: Path) -> None:
    tasks = {
        "asr_es": OwnTask("asr", {"language": "es"}),
        "classify_image": OwnTask("classify_image", {"names": ["a"]}),
    }
    write_tasks(tasks, tmp_path)
    assert read_tasks(tmp_path) == tasks


def test_a_folder_without_any_has_none(tmp_path: Path) -> None:
    write_tasks({}, tmp_path)
    assert read_tasks(tmp_path) == {} and not list(tmp_path.iterdir())


@pytest.mark.parametrize("case", BROKEN)
def test_what_a_folder_may_not_say_is_named(case: str, tmp_path: Path) -> None:
    row, message = BROKEN[case]
    (tmp_path / FILE).write_text(json.dumps({"asr_es": row}), encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        read_tasks(tmp_path)
