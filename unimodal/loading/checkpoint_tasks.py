"""The contract of what checkpoints of other projects do, and how a checkpoint is asked for it."""

import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

from unimodal.build import build
from unimodal.catalogue import checkpoint_task_specs
from unimodal.running.work import Choice, Result, Work

if TYPE_CHECKING:
    from unimodal.loading.foreign import Checkpoint

SPELLINGS = {"source": "--from", "target": "--to"}
"""Options whose names on the command line are no names in Python."""


@dataclass(frozen=True, eq=False)
class Question:
    """One input, in as many parts as the checkpoint has to read it in; `notes` say why there are several."""

    name: str
    parts: Sequence[Any]
    notes: tuple[str, ...] = ()


class CheckpointTask(ABC):
    """One thing that the checkpoints of a family do. Its constructor takes the checkpoint, and the user's options.

    Laws: a part's answer does not depend on the parts beside it, but for rounding; nothing is cut without a note;
    `read` raises one-line ValueError or FileNotFoundError for what cannot be used.
    """

    reads: tuple[str, ...]
    """Modalities of the input, for people: speech, text, image ..."""
    writes: str
    """`text`, or `speech`: samples at 16 kHz."""
    architectures: tuple[str, ...]
    """Endings of what `architectures` names in a `config.json` (`ForSpeechToText`); empty: all of the family."""

    @abstractmethod
    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        """A user's files, one question each; `prompt` is the text asked beside them, or instead of them."""

    @abstractmethod
    def answer(self, parts: Sequence[Any], decoding: Choice) -> list[Result]:
        """The answer to each part; `decoding` takes the place of the checkpoint's generation config."""

    @abstractmethod
    def join(self, answers: Sequence[Result]) -> Result:
        """The answer to a question, from those to its parts."""


@final
class CheckpointWork(Work):
    """Questions to a checkpoint; it does not stream."""

    def __init__(self, name: str, task: CheckpointTask, questions: Sequence[Question]) -> None:
        self._name, self._task, self._questions = name, task, questions
        self._parts = [part for question in questions for part in question.parts]
        self.names, self.size = [question.name for question in questions], len(self._parts)
        self.is_sound = task.writes == "speech"

    def answer(self, parts: range, decoding: Choice) -> list[Result]:
        return self._task.answer([self._parts[part] for part in parts], decoding)

    def join(self, answers: Sequence[Result]) -> list[Result]:
        left = iter(answers)
        return [self._joined(question, [next(left) for _ in question.parts]) for question in self._questions]

    def _joined(self, question: Question, answers: Sequence[Result]) -> Result:
        joined = self._task.join(answers)
        notes = dict.fromkeys(note for answer in answers for note in answer.notes)
        return replace(joined, task=self._name, notes=(*question.notes, *notes))

    def stream(self, part: int, decoding: Choice) -> Iterator[Result] | None:
        return None


def known_tasks(origin: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """What a checkpoint with this `config.json` can do: by name, the specs of the tasks."""
    architectures = origin.get("architectures")
    named = str(architectures[0]) if isinstance(architectures, list) and architectures else ""
    specs = checkpoint_task_specs(str(origin.get("model_type")))
    kinds = {name: task_class(name, spec) for name, spec in specs.items()}
    return {
        name: spec
        for name, spec in specs.items()
        if not kinds[name].architectures or named.endswith(kinds[name].architectures)
    }


def task_class(name: str, spec: Mapping[str, Any]) -> type[CheckpointTask]:
    """The class that a spec names."""
    kind: type[CheckpointTask] = build(
        {"class": spec["class"]}, Callable[..., CheckpointTask], where=f"checkpoints.{name}"
    ).target
    return kind


def build_checkpoint_task(name: str, checkpoint: "Checkpoint", options: Mapping[str, Any]) -> CheckpointTask:
    """A checkpoint's task by its name. Raises ValueError for a task that it does not do, or an option that is none."""
    origin = checkpoint.origin
    known = known_tasks(origin)
    if name not in known:
        can = f"it does {', '.join(known)}" if known else "there is no task for it"
        raise ValueError(f"{name}: is no task of this {origin['model_type']} checkpoint; {can}")
    given = {option: value for option, value in options.items() if value is not None}
    taken = list(inspect.signature(task_class(name, known[name])).parameters)
    for option in given:
        if option not in taken or option == "checkpoint":
            raise ValueError(f"{spelled(option)}: is no option of {name} with a {origin['model_type']} checkpoint")
    spec = {
        **known[name],
        **{option: str(value) if isinstance(value, Path) else value for option, value in given.items()},
    }
    task: CheckpointTask = build(spec, CheckpointTask, where=name, checkpoint=checkpoint)
    return task


def spelled(option: str) -> str:
    """An option as the command line has it."""
    return SPELLINGS.get(option, f"--{option.replace('_', '-')}")
