"""Loading a model by a folder, an adapter's folder or a Hub id, and asking it.

Nothing that a folder names is followed: no code, no path, no address; weights are safetensors only.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from torch import Tensor

from unimodal.generate import Decoding, decoding_of, write_frames, write_tokens
from unimodal.guides.grammar import GrammarGuide
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.processor import UnimodalProcessor
from unimodal.task import Example, Task

ADAPTER_FILE = "adapter_config.json"


@dataclass(frozen=True)
class Result:
    """One answer. `value` is the task's own type; `score` the mean log-probability of its tokens, None for frames."""

    task: str
    value: object
    score: float | None
    tokens: tuple[int, ...]
    seconds: float

    @property
    def text(self) -> str:
        """The answer as people read it."""
        return str(self.value)


@final
class Unimodal:
    """A model with its processor: what `unimodal.load` gives."""

    def __init__(self, model: UnimodalForConditionalGeneration, processor: UnimodalProcessor) -> None:
        self.model = model
        self.processor = processor

    def answer(
        self,
        task: Task,
        examples: Sequence[Example],
        *,
        decoding: str | Mapping[str, Any] | Decoding | None = None,
        observe: Callable[[Tensor, Tensor], None] | None = None,
    ) -> list[Result]:
        """The answers to some examples of one task, decoded as one batch under the task's grammar."""
        began = time.perf_counter()
        chosen = decoding_of(decoding)
        items = [self.processor.prompt(task, example) for example in examples]
        if task.codec is None:
            written = write_frames(self.model, items, task.writes, chosen)
            seconds = (time.perf_counter() - began) / max(len(items), 1)
            return [
                Result(task.name, self.model.postnet(task.writes).render(steps), None, (), seconds)
                for steps in written
            ]
        guide = GrammarGuide(task.codec.grammar())
        found = write_tokens(self.model, items, chosen, guide=guide, observe=observe)
        seconds = (time.perf_counter() - began) / max(len(items), 1)
        results = []
        for best, *_ in found:
            value = task.codec.decode(best.tokens)
            results.append(Result(task.name, value, best.score / max(len(best.tokens), 1), best.tokens, seconds))
        return results

    def save_pretrained(self, folder: str | Path) -> None:
        """Writes a folder that `load` reads."""
        self.model.save_pretrained(folder)
        self.processor.save_pretrained(folder)


def load(name: str | Path, *, base: str | Path | None = None) -> Unimodal:
    """A model by its folder, an adapter's folder or a Hub id.

    An adapter's base is `base`, or the model in whose folder the adapter's folder lies; the path that
    `adapter_config.json` names is not followed.
    """
    folder = Path(name)
    if (folder / ADAPTER_FILE).is_file():
        return _adapted(folder, Path(base) if base is not None else folder.parent)
    if not folder.is_dir():
        folder = _download(str(name))
    if not (folder / "config.json").is_file():
        raise FileNotFoundError(f"{folder}: holds no config.json and no {ADAPTER_FILE}, so it is no model")
    model = UnimodalForConditionalGeneration.from_pretrained(folder, use_safetensors=True)
    return Unimodal(model.eval(), UnimodalProcessor.from_pretrained(folder))


def _adapted(adapter: Path, base: Path) -> Unimodal:
    from peft import PeftModel

    if not (base / "config.json").is_file():
        raise FileNotFoundError(f"{adapter}: an adapter needs its base model in the folder above it, or --base FOLDER")
    loaded = load(base)
    merged = PeftModel.from_pretrained(loaded.model, str(adapter)).merge_and_unload()
    return Unimodal(merged.eval(), loaded.processor)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    patterns = ["*.json", "*.safetensors", "tokenizer.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=patterns))
    except HFValidationError as error:
        raise FileNotFoundError(f"{name}: no such folder, and no name of a model on the Hub") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"{name}: no such folder, and the Hub does not give it ({type(error).__name__})"
        ) from error
