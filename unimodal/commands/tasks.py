"""`unimodal tasks`: what can be asked for, with what each task reads and writes."""

import inspect
import json
from collections.abc import Callable
from importlib import resources
from typing import Any

from unimodal.build import build
from unimodal.commands import Parser
from unimodal.spec import load_spec
from unimodal.task import Task

_CONFIGS = resources.files("unimodal") / "configs" / "tasks"


def main(arguments: list[str]) -> int:
    """Prints one line a task of configs/tasks."""
    parser = Parser(prog="unimodal tasks", description=inspect.cleandoc(__doc__ or ""))
    parser.add_argument("--json", action="store_true", help="one JSON list")
    options = parser.parse_args(arguments)
    tasks = [{"task": name, **_summary(name)} for name in names()]
    if options.json:
        print(json.dumps(tasks, indent=1))
        return 0
    width = max((len(task["task"]) for task in tasks), default=0)
    for task in tasks:
        print(f"{task['task']:<{width}}  {' + '.join(task['reads'])} -> {task['writes']}: {task['what']}")
    return 0


def names() -> list[str]:
    """The names of all tasks: the files of configs/tasks."""
    return sorted(entry.name.removesuffix(".yaml") for entry in _CONFIGS.iterdir() if entry.name.endswith(".yaml"))


def _summary(name: str) -> dict[str, Any]:
    with resources.as_file(_CONFIGS / f"{name}.yaml") as path:
        # The class alone says what it reads and writes: nothing is fetched to name a task.
        task = build({"class": load_spec(path).get("class")}, Callable[..., Task], where=path.name).target
    what = inspect.getdoc(task) or ""
    return {"reads": list(task.reads), "writes": task.writes, "what": what.partition("\n")[0]}
