"""The contract of a task: a reader, a prompt, a codec and a metric. A task knows raw things and nothing of a model."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
from jaxtyping import Float

from unimodal.codecs import Codec
from unimodal.data.columns import Column, Files
from unimodal.writers.frames import ANY_PACE, Pace

SPLITS = ("train", "validation", "test")


@dataclass(frozen=True, eq=False)
class Example:
    """One question and its answer. `key` names it for good: the group that a split keeps together, `#`, the item."""

    key: str
    inputs: Mapping[str, object]
    """Raw inputs by name, as the task's `prompt` reads them."""
    answer: object = None
    span: tuple[float, float] | None = None
    """Of a part of a longer input, from when to when it is heard, in seconds; such parts have the key of the whole."""

    @property
    def group(self) -> str:
        """What a split keeps together: the speaker, table, file or sentence that the example comes from."""
        return self.key.rpartition("#")[0]


ANSWER = "answer"
"""The field of a manifest's rows that holds the answer."""


@dataclass(frozen=True, eq=False)
class Schema:
    """The fields of a manifest's rows: those of the inputs, by the names that `Task.prompt` reads, and the answer's."""

    inputs: Mapping[str, Column]
    answer: Column
    versions: tuple[Mapping[str, object], ...] = ({},)
    """Inputs that training adds: each makes an example of its own, of the same clip at another speed, say."""

    @property
    def columns(self) -> dict[str, Column]:
        """All fields by name, the answer last."""
        return {**self.inputs, ANSWER: self.answer}

    def example(self, row: Mapping[str, object], files: Files, key: str) -> Example:
        """The example of one row; what it names besides is not looked at.

        Raises ValueError or FileNotFoundError, in one line that names the field, for a row that cannot be used.
        """
        found: dict[str, object] = {}
        for name, column in self.columns.items():
            if name not in row:
                raise ValueError(f"{name}: is missing")
            try:
                found[name] = column.read(row[name], files)
            except (ValueError, OSError) as error:
                raise ValueError(f"{name}: {error}") from error
        answer = found.pop(ANSWER)
        return Example(key, found, answer)


Baseline = Callable[[Example], object]
"""Example -> an answer that needs no model."""


class TaskUnavailable(RuntimeError):
    """A task's data cannot be had here: one line that says what is missing. Others can go on without it."""


class Metric(ABC):
    """Predictions and references -> one number, by way of what each pair gives to it.

    So any selection of pairs is scored again without comparing anything twice: see `unimodal.measuring.intervals`.
    """

    name: str
    higher_is_better: bool

    @abstractmethod
    def tally(self, predictions: Sequence[object], references: Sequence[object]) -> Float[np.ndarray, "pairs counts"]:
        """What each pair gives to the score (edits and words, say), a row each."""

    @abstractmethod
    def score(self, tally: Float[np.ndarray, "pairs counts"]) -> float:
        """The number that some rows of a tally make together."""

    @final
    def __call__(self, predictions: Sequence[object], references: Sequence[object]) -> float:
        """The score of a whole test set."""
        assert len(predictions) == len(references) > 0, f"{len(predictions)} predictions, {len(references)} references"
        return self.score(self.tally(predictions, references))


@final
@dataclass(frozen=True, eq=False)
class Staged:
    """How an answer is put together from those of other tasks: one about the whole input, then some about its places.

    A task's own prompt and tag are those of `first`. Laws: the tasks `then` read what `first` reads, and behind it what
    `told` says of a place; `join` of right answers is the right answer; lessons read the very inputs of the example.
    """

    first: "Task"
    then: tuple["Task", ...]
    places: Callable[[Any], Sequence[Any]]
    """The first answer -> the places that it names."""
    told: Callable[[Any], list[tuple[str, object]]]
    """A place -> what the decoder is told of it, as in `Task.prompt`."""
    join: Callable[[Any, Sequence[Sequence[Any]]], object]
    """The first answer, and for each place the answers of `then` -> the whole answer."""
    lessons: Callable[["Example"], Sequence[tuple["Task", "Example"]]]
    """An example of the whole -> what it teaches: a question of `first`, then some of the others, all about one thing.

    Raises ValueError for an example that does not say enough.
    """


class Task(ABC):
    """One thing that a user can ask for.

    Laws: the splits share no group; `codec.decode(codec.encode(answer))` is the answer; the encoded answer is in the
    codec's grammar; `read` gives one `ValueError` or `FileNotFoundError` line for a file that it cannot use.
    """

    name: str
    reads: tuple[str, ...]
    """Modalities of the input, for people: speech, text, image ..."""
    writes: str
    """Net that writes the answer: `text` (tokens through the codec) or the name of a Postnet."""
    metric: Metric
    options: tuple[str, ...] = ()
    """Parameters of the constructor that a user may give beside a question: `--chunk-length-s`, `--voice`."""
    pace: Pace = ANY_PACE
    """Of an answer in frames, where something is known of how long it lasts."""
    tag: str | None = None
    """The token that is put before what is read, where several tasks share one; None: the one of the task's name."""

    @property
    def staged(self) -> Staged | None:
        """Of an answer that is put together from those of other tasks, which are taught in its place."""
        return None

    @final
    @property
    def taught(self) -> tuple["Task", ...]:
        """The tasks whose answers are learned: this one, or those that its answer is put together from."""
        return (self,) if self.staged is None else (self.staged.first, *self.staged.then)

    @property
    @abstractmethod
    def codec(self) -> Codec[Any] | None:
        """Answer <-> tokens; None where a Postnet writes the answer."""

    @property
    @abstractmethod
    def schema(self) -> Schema:
        """How a manifest of a user's own examples is written."""

    @abstractmethod
    def examples(self, split: str) -> Sequence[Example]:
        """The examples of `train`, `validation` or `test`; raw inputs may be loaded when they are first used."""

    @abstractmethod
    def prompt(self, example: Example) -> list[tuple[str, object]]:
        """What is read, in order: (name of the net, raw value). The task's tag is put before it by the caller."""

    @abstractmethod
    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        """A user's own files as examples without an answer; `prompt` is the text asked beside them (a question).

        Raises one-line `ValueError` or `FileNotFoundError` that names the file, and `ValueError` where a prompt is
        missing or not taken.
        """

    @abstractmethod
    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        """Answers that need no model, by name (majority, copy, mean length ...): the bar to pass.

        What they know of the training examples is counted once, here.
        """
