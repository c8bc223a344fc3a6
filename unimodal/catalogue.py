"""The tasks by name: the files of `configs/tasks/`, each built by import path; to list them is light."""

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unimodal.task import Task
    from unimodal.vocabulary import Vocabulary

TASKS = Path(__file__).parent / "configs" / "tasks"


def task_names() -> list[str]:
    """The names of all tasks, sorted."""
    return sorted(path.stem for path in TASKS.glob("*.yaml"))


def check_task(name: str) -> str:
    """The name of a task; ValueError with a suggestion where there is none of that name."""
    known = task_names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}"
        raise ValueError(f"unknown task '{name}'; {hint}")
    return name


def task_spec(name: str, overlay: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `configs/tasks/NAME.yaml` says, with an overlay's changes."""
    from unimodal.spec import load_spec, merge_specs

    return merge_specs(load_spec(TASKS / f"{check_task(name)}.yaml"), overlay or {})


def build_task(
    name: str, vocabulary: "Vocabulary", cache: Path | None = None, *, overlay: Mapping[str, Any] | None = None
) -> "Task":
    """A task by its name, in the tokens of a vocabulary; its corpora lie in `cache` (None: the user's cache folder)."""
    from unimodal.build import build
    from unimodal.task import Task

    task: Task = build(task_spec(name, overlay), Task, where=f"tasks.{name}", vocabulary=vocabulary, cache=cache)
    return task
