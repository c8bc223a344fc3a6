"""`unimodal tasks`: what can be asked for, of all models or of one, with what each task reads and writes."""

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

from unimodal.build import build
from unimodal.catalogue import task_names, task_spec
from unimodal.commands import Parser
from unimodal.loading.auto import MODEL_TYPE
from unimodal.loading.folder import CONFIG_FILE, find_folder, read_json
from unimodal.loading.own_tasks import OwnTask, read_tasks
from unimodal.task import Task


def main(arguments: list[str]) -> int:
    """Prints one line a task."""
    parser = Parser(prog="unimodal tasks", description="List the tasks with what each reads and writes.")
    parser.add_argument("--model", metavar="FOLDER|HUB_ID", help="those of one model, ours or another project's")
    parser.add_argument("--json", action="store_true", help="one JSON list")
    parser.add_argument(
        "--manifests", metavar="FILE", type=Path, help="write a page of how one's own examples are written"
    )
    options = parser.parse_args(arguments)
    if options.manifests is not None:
        from unimodal.commands.manifests import page

        options.manifests.write_text(page(), encoding="utf-8")
        return 0
    kinds = _taught(task_names()) if options.model is None else _of_model(options.model)
    tasks = [{"task": name, **_summary(kind)} for name, kind in kinds.items()]
    if options.json:
        print(json.dumps(tasks, indent=1))
        return 0
    width = max((len(task["task"]) for task in tasks), default=0)
    for task in tasks:
        print(f"{task['task']:<{width}}  {' + '.join(task['reads'])} -> {task['writes']}: {task['what']}")
    return 0


def _taught(names: Iterable[str], own: Mapping[str, OwnTask] | None = None) -> dict[str, Any]:
    """By name; `own` are those that a folder brings along."""
    like = {name: task.like for name, task in (own or {}).items()}
    # The class alone says what it reads and writes: nothing is fetched to name a task.
    specs = {name: {"class": task_spec(like.get(name, name)).get("class")} for name in names}
    return {name: build(spec, Callable[..., Task], where=f"tasks.{name}").target for name, spec in specs.items()}


def _of_model(name: str | Path) -> Mapping[str, Any]:
    """The tasks of a model's folder or an adapter's, by its configs: no weight is read."""
    from unimodal.loading.hub import ADAPTER_FILE, base_of
    from unimodal.processor import SPEC_FILE, UnimodalProcessor

    folder = find_folder(name)
    own = read_tasks(folder)
    if (folder / ADAPTER_FILE).is_file():
        base = base_of(folder, Path(name))
        if not (folder / SPEC_FILE).is_file():
            return _of_model(base)
        own = read_tasks(base) | own
    elif (origin := _origin(folder)) is not None:
        return _of_checkpoint(name, origin)
    space = UnimodalProcessor.from_pretrained(folder).vocabulary.space
    return _taught(sorted(space.name(tag) for tag in space.ids("task")), own)


def _origin(folder: Path) -> Mapping[str, Any] | None:
    """The config that another project wrote; None for a model of ours."""
    config = read_json(folder / CONFIG_FILE)
    origin: Mapping[str, Any] | None = config.get("origin") if config.get("model_type") == MODEL_TYPE else config
    return origin


def _of_checkpoint(name: str | Path, origin: Mapping[str, Any]) -> Mapping[str, Any]:
    from unimodal.loading.checkpoint_tasks import known_tasks, task_class

    found = {task: task_class(task, spec) for task, spec in known_tasks(origin).items()}
    if not found:
        raise ValueError(f"{name}: there is no task for a checkpoint like this ({origin.get('model_type')})")
    return found


def _summary(kind: Any) -> dict[str, Any]:
    what = inspect.getdoc(kind) or ""
    return {"reads": list(kind.reads), "writes": kind.writes, "what": what.partition("\n")[0]}
