"""Loading a model by a folder, an adapter's folder or a Hub id, and asking it.

Nothing that a folder names is followed: no code, no path, no address; weights are safetensors only.
"""

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

import torch

from unimodal.adapters import load as load_adapter
from unimodal.batching import Item
from unimodal.catalogue import build_task
from unimodal.codecs import Codec
from unimodal.conversions.checkpoint import read_checkpoint
from unimodal.decoding.generate import Decoding, Prompt, decoding_of, stream_tokens, write_frames, write_tokens
from unimodal.guides.grammar import GrammarGuide
from unimodal.loading.auto import MODEL_TYPE
from unimodal.loading.checkpoint_tasks import spelled
from unimodal.loading.extension import check_pieces, extend
from unimodal.loading.folder import CONFIG_FILE, find_folder, read_json
from unimodal.loading.foreign import Checkpoint
from unimodal.loading.own_tasks import OwnTask, read_tasks, write_tasks
from unimodal.loading.publishing import model_card, push, read_metrics
from unimodal.loading.vocoding import VocoderCheckpoint, give_vocoder, is_vocoder, take_vocoder
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import NumberType, number_type
from unimodal.processor import SPEC_FILE, UnimodalProcessor
from unimodal.rewrites import Rewrite, rewrite
from unimodal.running.shared_source import prompts_of_one_source
from unimodal.running.taught import TaughtWork
from unimodal.running.work import Choice, Loaded, Result, Work
from unimodal.samplers import Growth, Hypothesis
from unimodal.task import Example, Task

ADAPTER_FILE = "adapter_config.json"
BASE = "base"
"""A folder, or a link to one, in an adapter's folder: the model that it was trained on."""


@final
class Unimodal(Loaded):
    """A model with its processor: what `unimodal.load` gives."""

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
        if task.codec is None:
            written = write_frames(self.model, items, task.writes, chosen)
            seconds = (time.perf_counter() - began) / max(len(items), 1)
            return [
                Result(task.name, self.model.postnet(task.writes).render(steps), None, (), seconds) for steps in written
            ]
        return self._written(task.name, task.codec, Prompt.of(self.model, items), chosen)

    def answer_outputs(
        self, tasks: Sequence[Task], examples: Sequence[Example], *, decodings: Mapping[str, Choice] | None = None
    ) -> dict[str, list[Result]]:
        """The answers of several outputs to the same examples, which are encoded once; `decodings` by task.

        Raises ValueError for tasks that write no tokens, and for models that encode differently for each.
        """
        for task in tasks:
            if task.codec is None:
                raise ValueError(f"{task.name}: writes {task.writes} and no tokens")
        prompts = prompts_of_one_source(self.model, [self.items(task, examples) for task in tasks])
        chosen = [self.decoding((decodings or {}).get(task.name)) for task in tasks]
        return {
            task.name: self._written(task.name, task.codec, prompt, how)
            for task, prompt, how in zip(tasks, prompts, chosen, strict=True)
            if task.codec is not None
        }

    def _written(self, name: str, codec: Codec[Any], prompt: Prompt, decoding: Decoding) -> list[Result]:
        began = time.perf_counter()
        guide = GrammarGuide(codec.grammar(), limit=decoding.limit)
        found = write_tokens(self.model, prompt, decoding, guide=guide)
        seconds = (time.perf_counter() - began) / max(prompt.rows, 1)
        return [_result(name, codec, best, seconds) for best, *_ in found]

    def stream(
        self, task: Task, item: Item, *, decoding: str | Mapping[str, Any] | Decoding | None = None
    ) -> Iterator[Result]:
        """The answer to one prompt as it grows, a Result after every token; the last one is that of `answer_items`.

        Raises ValueError at once for a task that writes no tokens, and for a sampler that does not stream.
        """
        if task.codec is None:
            raise ValueError(f"{task.name}: does not stream, for it writes {task.writes} and no tokens")
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
        if (task.tag or task.name) not in taught:
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
        loaded = load(name)
        if isinstance(loaded, Checkpoint):
            raise ValueError(f"{name}: is no vocoder")
        vocoder = loaded.model if isinstance(loaded, VocoderCheckpoint) else take_vocoder(loaded.model, net)
        give_vocoder(self.model, net, vocoder)

    def items(self, task: Task, examples: Sequence[Example]) -> list[Item]:
        """The prompts of some examples, as the processor reads them."""
        return [self.processor.prompt(task, example) for example in examples]

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder that `load` reads."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)
        write_tasks(self.tasks, Path(folder))

    def push_to_hub(
        self, name: str, *, metrics: str | Path | None = None, private: bool = False, token: str | None = None
    ) -> str:
        """Uploads the model with a card to the repository `owner/name`; the commit's address.

        `metrics`: the rows that `make demo` writes into `metrics.json`, which the card shows.
        """
        rows = [] if metrics is None else read_metrics(Path(metrics))
        card = model_card(name, rows, description="One encoder-decoder for every modality, in PyTorch.")
        return push(self.save_pretrained, name, card, private=private, token=token)


def _sums(growing: Iterable[Growth]) -> Iterator[Hypothesis]:
    """An answer so far, as often as it grows."""
    answer = Hypothesis((), 0.0)
    for more in growing:
        answer = Hypothesis(answer.tokens + more.tokens, answer.score + more.score)
        yield answer


def _result(task: str, codec: Codec[Any], found: Hypothesis, seconds: float) -> Result:
    return Result(task, codec.decode(found.tokens), found.score / max(len(found.tokens), 1), found.tokens, seconds)


def load(
    name: str | Path,
    *,
    base: str | Path | None = None,
    dtype: str | torch.dtype | None = None,
    device: torch.device | str | None = None,
    revision: str | None = None,
    local_files_only: bool = False,
    rewrites: Sequence[Rewrite | str | Mapping[str, Any]] = (),
) -> Unimodal | Checkpoint | VocoderCheckpoint:
    """A model by its folder, an adapter's folder or a Hub id, ours or of a family that `unimodal.conversions` reads.

    Weights keep the type that their file has, or take `dtype`: float32, bfloat16, float16 (a model of T5's kind is
    rescaled first, where it would overflow), int8, int4, auto. An adapter's base is `base`, or the folder `base` in its
    own (a link, say), or the model in whose folder its own lies; what path `adapter_config.json` names is not followed.
    `revision` and `local_files_only` mean what they mean to huggingface_hub. `rewrites` make it run better, such as
    "unimodal.rewrites.joined.Joined": what is saved and said stays the same.
    """
    numbers = number_type(dtype)
    folder = find_folder(name, revision=revision, local_files_only=local_files_only)
    loaded: Unimodal | Checkpoint | VocoderCheckpoint
    if (folder / ADAPTER_FILE).is_file():
        loaded = _adapted(folder, base_of(folder, Path(name)) if base is None else base, numbers)
    elif base is not None:
        raise ValueError(f"{name}: is no adapter (it holds no {ADAPTER_FILE}), so it takes no base")
    elif not (folder / CONFIG_FILE).is_file():
        raise FileNotFoundError(f"{folder}: holds no {CONFIG_FILE} and no {ADAPTER_FILE}, so it is no model")
    elif is_vocoder(read_json(folder / CONFIG_FILE)):
        loaded = VocoderCheckpoint.read(folder, dtype=numbers.plain)
    else:
        loaded = _whole(folder, numbers.read)
        numbers.finish(loaded.model)
    if isinstance(loaded, VocoderCheckpoint):
        if rewrites:
            raise ValueError(f"{name}: is a vocoder, for which there are no rewrites")
    else:
        rewrite(loaded.model, rewrites)
    model: torch.nn.Module = loaded.model
    model.to(device=device)
    return loaded


def _whole(folder: Path, dtype: torch.dtype | None) -> Unimodal | Checkpoint:
    if read_json(folder / CONFIG_FILE).get("model_type") != MODEL_TYPE:
        return Checkpoint(read_checkpoint(folder, dtype=dtype), folder)
    model = UnimodalForConditionalGeneration.from_pretrained(folder, dtype=dtype).eval()
    if model.config.origin is not None:
        return Checkpoint(model, folder)
    return Unimodal(model, UnimodalProcessor.from_pretrained(folder), read_tasks(folder))


def base_of(adapter: Path, named: Path) -> Path:
    """The folder of an adapter's base, where no other is given: in the adapter's own, or around what was `named`."""
    return adapter / BASE if (adapter / BASE / CONFIG_FILE).is_file() else named.parent


def _enlarged(loaded: Unimodal, adapter: Path) -> Unimodal:
    """The base with the vocabulary and the tasks that an adapter's folder has for it."""
    tasks = {**loaded.tasks, **read_tasks(adapter)}
    if not (adapter / SPEC_FILE).is_file():
        return Unimodal(loaded.model, loaded.processor, tasks)
    processor = UnimodalProcessor.from_pretrained(adapter)
    try:
        check_pieces(loaded.processor.vocabulary.pieces, processor.vocabulary.pieces)
        model = extend(loaded.model, processor.vocabulary.space)
    except ValueError as error:
        raise ValueError(f"{adapter}: {error}") from error
    return Unimodal(model, processor, tasks)


def load_asked(name: str | Path, *, base: str | Path | None = None) -> Unimodal | Checkpoint:
    """As `load`, of a model that can be asked; ValueError for a part of one."""
    loaded = load(name, base=base)
    if not isinstance(loaded, Unimodal | Checkpoint):
        raise ValueError(f"{name}: is a vocoder, which makes sound of what another model says")
    return loaded


def load_own(name: str | Path, *, base: str | Path | None = None) -> Unimodal:
    """As `load`, of a model that was taught our tasks; ValueError for any other."""
    loaded = load(name, base=base)
    if not isinstance(loaded, Unimodal):
        raise ValueError(f"{name}: comes from another project and was not taught our tasks")
    return loaded


def _adapted(adapter: Path, base: str | Path, numbers: NumberType) -> Unimodal | Checkpoint:
    folder = find_folder(base)
    if not (folder / CONFIG_FILE).is_file():
        raise FileNotFoundError(f"{adapter}: an adapter needs its base model in the folder above it, or --base FOLDER")
    loaded = _whole(folder, numbers.read)
    if isinstance(loaded, Unimodal):
        loaded = _enlarged(loaded, adapter)
    try:
        found = load_adapter(loaded.model, adapter)
        if found.mergeable:
            found.merge(loaded.model)
    except (RuntimeError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        # Its config may hold anything, and peft takes it as it is.
        raise ValueError(f"{adapter}: does not fit the base model {base} ({type(error).__name__})") from error
    numbers.finish(loaded.model)
    loaded.model.eval()
    return loaded
