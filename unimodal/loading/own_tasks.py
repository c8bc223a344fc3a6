"""Tasks that a model's folder brings along: one of `configs/tasks/` with settings of its own, under a name of its own.

A folder may come from anybody: its tasks are those of this package, and what it may set is plain.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, final

from unimodal.catalogue import check_task

FILE = "tasks.json"
FORBIDDEN = ("class", "cache", "manifest")
"""Settings that name code or a place on this machine."""
PLAIN = (str, int, float, bool)


@final
@dataclass(frozen=True)
class OwnTask:
    """A task of `configs/tasks/`, and what is laid over its settings there."""

    like: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def write_tasks(tasks: Mapping[str, OwnTask], folder: Path) -> None:
    """Writes `tasks.json` where there are any."""
    if tasks:
        rows = {name: asdict(task) for name, task in sorted(tasks.items())}
        (folder / FILE).write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def read_tasks(folder: Path) -> dict[str, OwnTask]:
    """The tasks of a folder by name; none where it has no such file. Raises ValueError that names the field."""
    if not (folder / FILE).is_file():
        return {}
    from unimodal.loading.folder import read_json  # imports torch, which a command line that is wrong can do without

    return {name: _task(f"{folder / FILE}: {name}", row) for name, row in read_json(folder / FILE).items()}


def _task(where: str, row: object) -> OwnTask:
    if not isinstance(row, dict) or set(row) - {"like", "settings"} or not isinstance(row.get("like"), str):
        raise ValueError(f'{where}: expected {{"like": a task, "settings": an object}}')
    settings = row.get("settings", {})
    if not isinstance(settings, dict):
        raise ValueError(f"{where}.settings: expected an object")
    try:
        check_task(row["like"])
    except ValueError as error:
        raise ValueError(f"{where}.like: {error}") from error
    check_settings(settings, f"{where}.settings")
    return OwnTask(row["like"], settings)


def check_settings(settings: Mapping[str, Any], where: str) -> None:
    """Raises ValueError for a setting that is not a string, a number or a list of such, or that no folder may say."""
    for name, value in settings.items():
        items = value if isinstance(value, list) else [value]
        if name in FORBIDDEN or not all(isinstance(item, PLAIN) for item in items):
            raise ValueError(f"{where}.{name}: no such thing can be set here")
