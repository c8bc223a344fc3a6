"""A task on a user's inputs, whichever model does it: everything is read and checked, then answered part by part."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from unimodal.annotations import Annotation
from unimodal.decoding.generate import Decoding
from unimodal.loading.publishing import model_card, push, read_metrics
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.running.passages import Passage, joined_text

Choice = str | Mapping[str, Any] | Decoding | None
"""A name in `configs/decoding/`, a spec, a Decoding, or None: what the model takes by itself."""
Batches = Callable[[range], Iterable[int]]
BATCH = 8
"""Parts that are answered side by side."""


@dataclass(frozen=True)
class Result:
    """One answer. `value` is the task's own type; `score` the mean log-probability of its tokens, None for frames."""

    task: str
    value: object
    score: float | None
    tokens: tuple[int, ...]
    seconds: float
    notes: tuple[str, ...] = ()
    """What a user should know: where the input was cut, what stood in for something that was not given."""
    passages: tuple[Passage, ...] = ()
    """What was said when, where the input was long and is answered in parts."""

    @property
    def text(self) -> str:
        """The answer as people read it."""
        return str(self.value)


def said_in(span: tuple[float, float] | None, answer: Result) -> Result:
    """An answer with the time from which to which its input lasted, in seconds; None: it was the whole input."""
    return answer if span is None else replace(answer, passages=(Passage(*span, answer.text),))


def join_passages(answers: Sequence[Result]) -> Result:
    """One answer of those to the parts of an input, each with its passage: their texts in a row, all tokens' score."""
    if not any(answer.passages for answer in answers):
        (whole,) = answers
        return whole
    passages = tuple(passage for answer in answers for passage in answer.passages)
    tokens = tuple(token for answer in answers for token in answer.tokens)
    scores = [answer.score * len(answer.tokens) for answer in answers if answer.score is not None]
    return Result(
        task=answers[0].task,
        value=joined_text(passages),
        score=sum(scores) / max(len(tokens), 1) if scores else None,
        tokens=tokens,
        seconds=sum(answer.seconds for answer in answers),
        notes=tuple(dict.fromkeys(note for answer in answers for note in answer.notes)),
        passages=passages,
    )


class Work(ABC):
    """One question for each input; a question has one part or several, and models answer parts.

    Laws: a part's answer does not depend on the parts beside it; `join` gives one Result for each name.
    """

    names: Sequence[str]
    """Of the inputs."""
    size: int
    """Number of parts."""
    is_sound: bool
    """Whether answers are samples at 16 kHz; others are read."""
    annotations: Callable[[Any], list[Annotation]] | None = None
    """What an answer points at in its picture; None: answers point at nothing."""

    @abstractmethod
    def answer(self, parts: range, decoding: Choice) -> list[Result]:
        """The answers to some parts, decoded together."""

    @abstractmethod
    def join(self, answers: Sequence[Result]) -> list[Result]:
        """The answers to the inputs, from those to all parts."""

    @abstractmethod
    def stream(self, part: int, decoding: Choice) -> Iterator[Result] | None:
        """The answer to a part as it grows; None where it is not sure of a token before the answer is whole."""


def perform(work: Work, decoding: Choice = None, *, batches: Batches = iter) -> list[Result]:
    """The answer to each input. `batches` hands on the numbers of the first parts, and may show how far they are."""
    answers: list[Result] = []
    for first in batches(range(0, work.size, BATCH)):
        answers += work.answer(range(first, min(first + BATCH, work.size)), decoding)
    return work.join(answers)


class Loaded(ABC):
    """A model with what it needs to be asked."""

    model: UnimodalForConditionalGeneration
    description: str
    """On the card of its repository."""
    licence: str | None
    """By the name that the Hub has for it; None where it is that of its origin."""

    @abstractmethod
    def prepare(
        self,
        task: str,
        paths: Sequence[Path],
        *,
        prompt: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Work:
        """A task on a user's files, read and checked. `options` are those of the task.

        Raises one-line ValueError or FileNotFoundError for what cannot be used.
        """

    def run(
        self,
        task: str,
        *inputs: str | Path,
        prompt: str | None = None,
        decoding: Choice = None,
        **options: Any,
    ) -> list[Result]:
        """The answers to one's own files, one each; `prompt` is the text asked beside them, or instead of them.

        `model.run("asr", "clip.wav")`, `model.run("table_qa", "prices.csv", prompt="what is the largest price?")`,
        `model.run("translate", "text.txt", source="en", target="de")`. Raises as `prepare`.
        """
        return perform(self.prepare(task, [Path(path) for path in inputs], prompt=prompt, options=options), decoding)

    @abstractmethod
    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder in our form, which `unimodal.load` reads."""

    def push_to_hub(
        self, name: str, *, metrics: str | Path | None = None, private: bool = False, token: str | None = None
    ) -> str:
        """Uploads the model with a card to the repository `owner/name`; the commit's address.

        `metrics`: the rows that `make demo` writes into `metrics.json`, which the card shows.
        """
        rows = [] if metrics is None else read_metrics(Path(metrics))
        card = model_card(name, rows, description=self.description, licence=self.licence)
        return push(self.save_pretrained, name, card, private=private, token=token)
