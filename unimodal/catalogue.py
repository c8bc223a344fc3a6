"""The tasks by name: the files of `configs/tasks/`, each built by import path; to list them is light."""

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from unimodal.task import Task
    from unimodal.vocabulary import Vocabulary

TASKS = Path(__file__).parent / "configs" / "tasks"
CHECKPOINTS = Path(__file__).parent / "configs" / "checkpoints"
ADAPTERS = Path(__file__).parent / "configs" / "adapters"


def task_names() -> list[str]:
    """The names of all tasks, sorted."""
    return sorted(path.stem for path in TASKS.glob("*.yaml"))


def checkpoint_task_names() -> list[str]:
    """The names of all tasks that checkpoints of other projects do, sorted."""
    families = (path.stem for path in CHECKPOINTS.glob("*.yaml"))
    return sorted({name for family in families for name in checkpoint_task_specs(family)})


def checkpoint_task_specs(family: str) -> dict[str, dict[str, Any]]:
    """What `configs/checkpoints/FAMILY.yaml` says that a family does, by name; FAMILY is a `model_type`."""
    from unimodal.spec import load_spec

    file = CHECKPOINTS / f"{family}.yaml"
    return load_spec(file) if file in CHECKPOINTS.glob("*.yaml") else {}


def check_task(name: str, known: Sequence[str] | None = None) -> str:
    """The name of a task; ValueError with a suggestion where there is none of that name among the `known`."""
    known = task_names() if known is None else known
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean '{close[0]}'?" if close else f"there are {', '.join(known)}"
        raise ValueError(f"unknown task '{name}'; {hint}")
    return name


def task_spec(name: str, overlay: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """What `configs/tasks/NAME.yaml` says, with an overlay's changes."""
    from unimodal.spec import load_spec, merge_specs

    return merge_specs(load_spec(TASKS / f"{check_task(name)}.yaml"), overlay or {})


def adapter_spec(name: str) -> dict[str, Any]:
    """What `configs/adapters/NAME.yaml` says; ValueError where there is none of that name."""
    from unimodal.spec import load_spec

    known = sorted(path.stem for path in ADAPTERS.glob("*.yaml"))
    if name not in known:
        raise ValueError(f"adapter: there is no '{name}' among {', '.join(known)}")
    return load_spec(ADAPTERS / f"{name}.yaml")


def build_task(
    name: str, vocabulary: "Vocabulary", cache: Path | None = None, *, overlay: Mapping[str, Any] | None = None
) -> "Task":
    """A task by its name, in the tokens of a vocabulary; its corpora lie in `cache` (None: the user's cache folder)."""
    from unimodal.build import build
    from unimodal.task import Task

    task: Task = build(task_spec(name, overlay), Task, where=f"tasks.{name}", vocabulary=vocabulary, cache=cache)
    return task
