"""A task that a model was taught, on a user's inputs."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, final

from unimodal.batching import Item
from unimodal.data.columns import Places
from unimodal.running.work import Choice, Result, Work, join_passages, said_in
from unimodal.task import Example, Task

if TYPE_CHECKING:
    from unimodal.loading.own import Unimodal


@final
class TaughtWork(Work):
    """Examples of a task, a part each.

    Whole inputs are read at once, so that mistakes show before the first answer. Parts of a longer one (which have a
    span) are read when they are answered: together they may be more than memory holds.
    """

    def __init__(self, model: "Unimodal", task: Task, examples: Sequence[Example]) -> None:
        self._model, self._task, self._examples = model, task, examples
        self._whole = {part: self._read(part) for part, example in enumerate(examples) if example.span is None}
        self._questions = _questions(examples)
        self.names, self.size = [examples[parts.start].key for parts in self._questions], len(examples)
        self.is_sound = task.codec is None
        answer = task.schema.answer
        self.annotations = answer.annotations if isinstance(answer, Places) else None

    def _read(self, part: int) -> Item:
        return self._model.processor.prompt(self._task, self._examples[part])

    def answer(self, parts: range, decoding: Choice) -> list[Result]:
        items = [self._whole[part] if part in self._whole else self._read(part) for part in parts]
        return self._model.answer_items(self._task, items, decoding=decoding)

    def join(self, answers: Sequence[Result]) -> list[Result]:
        return [self._joined(parts, answers[parts.start : parts.stop]) for parts in self._questions]

    def _joined(self, parts: range, answers: Sequence[Result]) -> Result:
        said = [said_in(self._examples[part].span, answer) for part, answer in zip(parts, answers, strict=True)]
        return join_passages(said)

    def stream(self, part: int, decoding: Choice) -> Iterator[Result] | None:
        is_whole = len(self._whole) == self.size
        if (
            not is_whole
            or self.is_sound
            or self._task.staged is not None
            or not self._model.decoding(decoding).sampler.streams
        ):
            return None
        return self._model.stream(self._task, self._whole[part], decoding=decoding)


def _questions(examples: Sequence[Example]) -> list[range]:
    """Which examples are one input: a whole one, or parts of which each follows the one before."""
    places = range(len(examples))
    begins = [part for part in places if part == 0 or not _goes_on(examples[part - 1], examples[part])]
    return [range(*ends) for ends in pairwise([*begins, len(examples)])]


def _goes_on(before: Example, example: Example) -> bool:
    if before.span is None or example.span is None:
        return False
    return before.key == example.key and before.span[1] <= example.span[0]
