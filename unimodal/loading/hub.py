"""Loading a model by a folder, an adapter's folder or a Hub id.

Nothing that a folder names is followed: no code, no path, no address; weights are safetensors only.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from unimodal.adapters import load as load_adapter
from unimodal.conversions.checkpoint import read_checkpoint
from unimodal.loading.auto import MODEL_TYPE
from unimodal.loading.extension import check_pieces, extend
from unimodal.loading.folder import CONFIG_FILE, find_folder, read_json
from unimodal.loading.foreign import Checkpoint
from unimodal.loading.own import Unimodal
from unimodal.loading.own_tasks import read_tasks
from unimodal.loading.vocoding import VocoderCheckpoint, is_vocoder
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import NumberType, number_type
from unimodal.processor import SPEC_FILE, UnimodalProcessor
from unimodal.rewrites import Rewrite, rewrite

ADAPTER_FILE = "adapter_config.json"
BASE = "base"
"""A folder, or a link to one, in an adapter's folder: the model that it was trained on."""


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
