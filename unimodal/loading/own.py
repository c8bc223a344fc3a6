"""A model that was taught our tasks, and what it can be asked."""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from unimodal.batching import Item
from unimodal.catalogue import build_task
from unimodal.codecs import Codec
from unimodal.decoding.generate import Decoding, Prompt, decoding_of, stream_tokens, write_frames, write_tokens
from unimodal.guides.grammar import GrammarGuide
from unimodal.loading.checkpoint_tasks import spelled
from unimodal.loading.own_tasks import OwnTask, write_tasks
from unimodal.loading.publishing import LICENCE
from unimodal.loading.vocoding import find_vocoder, give_vocoder
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.processor import UnimodalProcessor
from unimodal.running.shared_source import SharedSource
from unimodal.running.staged import answer_in_stages
from unimodal.running.taught import TaughtWork
from unimodal.running.work import Choice, Loaded, Result, Work
from unimodal.samplers import Growth, Hypothesis
from unimodal.task import Example, Task


@final
class Unimodal(Loaded):
    """A model with its processor: what `unimodal.load` gives."""

    description = "One encoder-decoder for every modality, in PyTorch."
    licence = LICENCE

    def __init__(
        self,
        model: UnimodalForConditionalGeneration,
        processor: UnimodalProcessor,
        tasks: Mapping[str, OwnTask] | None = None,
    ) -> None:
        """`tasks`: those that came with the model's folder, by name."""
        self.model = model
        self.processor = processor
        self.tasks = dict(tasks or {})
        self.generate = model.generate
        """Token ids in, token ids out, under transformers' names."""

    def answer(
        self,
        task: Task,
        examples: Sequence[Example],
        *,
        decoding: str | Mapping[str, Any] | Decoding | None = None,
    ) -> list[Result]:
        """The answers to some examples of one task, decoded as one batch under the task's grammar."""
        return self.answer_items(task, self.items(task, examples), decoding=decoding)

    def answer_items(
        self,
        task: Task,
        items: Sequence[Item],
        *,
        decoding: str | Mapping[str, Any] | Decoding | None = None,
    ) -> list[Result]:
        """As `answer`, for prompts that the processor has read already."""
        began = time.perf_counter()
        chosen = self.decoding(decoding)
        if task.staged is not None:
            return answer_in_stages(self, task, task.staged, items, chosen)
        if task.codec is None:
            written = write_frames(self.model, items, task.writes, chosen, pace=task.pace)
            seconds = (time.perf_counter() - began) / max(len(items), 1)
            return [
                Result(task.name, self.model.postnet(task.writes).render(steps), None, (), seconds) for steps in written
            ]
        return self.written(task, Prompt.of(self.model, items), chosen)

    def answer_outputs(
        self, tasks: Sequence[Task], examples: Sequence[Example], *, decodings: Mapping[str, Choice] | None = None
    ) -> dict[str, list[Result]]:
        """The answers of several outputs to the same examples, which are encoded once; `decodings` by task.

        Raises ValueError for tasks that write no tokens, and for models that encode differently for each.
        """
        asked = [self.items(task, examples) for task in tasks]
        source = SharedSource(self.model, asked[0])
        chosen = [self.decoding((decodings or {}).get(task.name)) for task in tasks]
        return {
            task.name: self.written(task, source.prompt(items), how)
            for task, items, how in zip(tasks, asked, chosen, strict=True)
        }

    def written(self, task: Task, prompt: Prompt, decoding: Decoding) -> list[Result]:
        """A task's answers in tokens to a prompt that is laid out already, under the task's grammar.

        Raises ValueError for a task that writes no tokens.
        """
        if task.codec is None:
            raise ValueError(f"{task.name}: writes {task.writes} and no tokens")
        began, codec = time.perf_counter(), task.codec
        guide = GrammarGuide(codec.grammar(), limit=decoding.limit)
        found = write_tokens(self.model, prompt, decoding, guide=guide)
        seconds = (time.perf_counter() - began) / max(prompt.rows, 1)
        return [_result(task.name, codec, best, seconds) for best, *_ in found]

    def stream(
        self, task: Task, item: Item, *, decoding: str | Mapping[str, Any] | Decoding | None = None
    ) -> Iterator[Result]:
        """The answer to one prompt as it grows, a Result after every token; the last one is that of `answer_items`.

        Raises ValueError at once for a task that writes no tokens, or writes in stages, and for a sampler that does
        not stream.
        """
        if task.codec is None or task.staged is not None:
            written = "in stages" if task.codec is not None else f"{task.writes} and no tokens"
            raise ValueError(f"{task.name}: does not stream, for it writes {written}")
        began, chosen, codec = time.perf_counter(), self.decoding(decoding), task.codec
        guide = GrammarGuide(codec.grammar(), limit=chosen.limit)
        growing = stream_tokens(self.model, Prompt.of(self.model, [item]), chosen, guide=guide)
        return (_result(task.name, codec, so_far, time.perf_counter() - began) for so_far in _sums(growing))

    def decoding(self, choice: Choice) -> Decoding:
        """How answers are decoded, by a name, a file or a spec; what names tokens knows this model's."""
        return decoding_of(choice, self.processor.vocabulary)

    def task(self, name: str, **settings: Any) -> Task:
        """A task by its name, in this model's tokens, with `settings` laid over its own.

        Raises ValueError where it is unknown, or unknown to the model.
        """
        own = self.tasks.get(name, OwnTask(name))
        task = build_task(own.like, self.processor.vocabulary, overlay={**own.settings, **settings})
        space = self.processor.vocabulary.space
        taught = [space.name(tag) for tag in space.ids("task")]
        if not all((part.tag or part.name) in taught for part in task.taught):
            raise ValueError(f"the model was not taught the task {name}; it knows {', '.join(taught)}")
        return task

    def prepare(
        self,
        task: str,
        paths: Sequence[Path],
        *,
        prompt: str | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> Work:
        """As in the contract. A task that the model was taught takes what its `options` name; sound, a `vocoder`."""
        asked = self.task(task)
        given = {name: value for name, value in (options or {}).items() if value is not None}
        if asked.codec is None and "vocoder" in given:
            self.use_vocoder(asked.writes, given.pop("vocoder"))
        for option in given:
            if option not in asked.options:
                raise ValueError(f"{spelled(option)}: is no option of {task}, which the model was taught as it is")
        if given:
            asked = self.task(task, **{name: str(it) if isinstance(it, Path) else it for name, it in given.items()})
        return TaughtWork(self, asked, asked.read(paths, prompt))

    def use_vocoder(self, net: str, name: str | Path) -> None:
        """Lets a net make its sound by a vocoder: its folder or Hub id, or a model in which one was taught.

        It is saved with the model. Raises ValueError for what is no vocoder, and for a net that takes none.
        """
        give_vocoder(self.model, net, find_vocoder(name, net))

    def items(self, task: Task, examples: Sequence[Example]) -> list[Item]:
        """The prompts of some examples, as the processor reads them."""
        return [self.processor.prompt(task, example) for example in examples]

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder that `load` reads."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        write_tasks(self.tasks, Path(folder))


def _sums(growing: Iterable[Growth]) -> Iterator[Hypothesis]:
    """An answer so far, as often as it grows."""
    answer = Hypothesis((), 0.0)
    for more in growing:
        answer = Hypothesis(answer.tokens + more.tokens, answer.score + more.score)
        yield answer


def _result(task: str, codec: Codec[Any], found: Hypothesis, seconds: float) -> Result:
    return Result(task, codec.decode(found.tokens), found.score / max(len(found.tokens), 1), found.tokens, seconds)
