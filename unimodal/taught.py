"""A task that a model was taught, on a user's inputs."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, final

from unimodal.batching import Item
from unimodal.passages import Passage, joined_text
from unimodal.task import Example, Task
from unimodal.work import Choice, Result, Work

if TYPE_CHECKING:
    from unimodal.hub import Unimodal

Span = tuple[float, float]


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

    def _read(self, part: int) -> Item:
        return self._model.processor.prompt(self._task, self._examples[part])

    def answer(self, parts: range, decoding: Choice) -> list[Result]:
        items = [self._whole[part] if part in self._whole else self._read(part) for part in parts]
        return self._model.answer_items(self._task, items, decoding=decoding)

    def join(self, answers: Sequence[Result]) -> list[Result]:
        return [self._joined(parts, answers[parts.start : parts.stop]) for parts in self._questions]

    def _joined(self, parts: range, answers: Sequence[Result]) -> Result:
        spans = [span for part in parts if (span := self._examples[part].span) is not None]
        return in_passages(answers, spans) if spans else answers[0]

    def stream(self, part: int, decoding: Choice) -> Iterator[Result] | None:
        is_whole = len(self._whole) == self.size
        if not is_whole or self.is_sound or not self._model.decoding(decoding).sampler.streams:
            return None
        return self._model.stream(self._task, self._whole[part], decoding=decoding)


def in_passages(answers: Sequence[Result], spans: Sequence[Span]) -> Result:
    """One answer of those to parts: their texts in a row, and what was said when; the score is over all tokens."""
    passages = [Passage(*span, answer.text) for span, answer in zip(spans, answers, strict=True)]
    tokens = tuple(token for answer in answers for token in answer.tokens)
    scores = [answer.score * len(answer.tokens) for answer in answers if answer.score is not None]
    return Result(
        task=answers[0].task,
        value=joined_text(passages),
        score=sum(scores) / max(len(tokens), 1) if scores else None,
        tokens=tokens,
        seconds=sum(answer.seconds for answer in answers),
        notes=tuple(dict.fromkeys(note for answer in answers for note in answer.notes)),
        passages=tuple(passages),
    )


def _questions(examples: Sequence[Example]) -> list[range]:
    """Which examples are one input: a whole one, or parts of which each follows the one before."""
    begins = [part for part, example in enumerate(examples) if part == 0 or not _goes_on(examples[part - 1], example)]
    return [range(*ends) for ends in zip(begins, [*begins[1:], len(examples)], strict=True)]


def _goes_on(before: Example, example: Example) -> bool:
    if before.span is None or example.span is None:
        return False
    return before.key == example.key and before.span[1] <= example.span[0]
