"""`unimodal tasks`: what can be asked for, with what each task reads and writes."""

import inspect
import json
from collections.abc import Callable
from typing import Any

from unimodal.build import build
from unimodal.catalogue import task_names, task_spec
from unimodal.commands import Parser
from unimodal.task import Task


def main(arguments: list[str]) -> int:
    """Prints one line a task."""
    parser = Parser(prog="unimodal tasks", description="List the tasks with what each reads and writes.")
    parser.add_argument("--json", action="store_true", help="one JSON list")
    options = parser.parse_args(arguments)
    tasks = [{"task": name, **_summary(name)} for name in task_names()]
    if options.json:
        print(json.dumps(tasks, indent=1))
        return 0
    width = max((len(task["task"]) for task in tasks), default=0)
    for task in tasks:
        print(f"{task['task']:<{width}}  {' + '.join(task['reads'])} -> {task['writes']}: {task['what']}")
    return 0


def _summary(name: str) -> dict[str, Any]:
    # The class alone says what it reads and writes: nothing is fetched to name a task.
    task = build({"class": task_spec(name).get("class")}, Callable[..., Task], where=f"tasks.{name}").target
    what = inspect.getdoc(task) or ""
    return {"reads": list(task.reads), "writes": task.writes, "what": what.partition("\n")[0]}
