"""Folders of other projects: read into our network, and written back for them.

What a folder says is data: its configs choose among our own parts, its weights are safetensors. Tensors are mapped from
the files and read when they are used, so that loading costs little more memory than the weights.
"""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any, TypeVar, final

import torch
from huggingface_hub import save_torch_state_dict
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from transformers import AutoConfig, GenerationConfig, PretrainedConfig, PreTrainedModel

from unimodal.config import UnimodalConfig
from unimodal.conversions.families import RENAMED, conversion_of
from unimodal.loading.folder import CONFIG_FILE, read_json, weight_files
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.stack import DEEPEST

Model = TypeVar("Model", bound=PreTrainedModel)
GENERATION_FILE = "generation_config.json"
ACCOMPANYING = ("*.json", "*.txt", "*.model", "*.spm", "*.jinja")
"""What a tokenizer or a feature extractor is made of."""
_WEIGHTS = ("model*.safetensors", "*.index.json")


def read_checkpoint(folder: Path, *, dtype: torch.dtype | None = None) -> UnimodalForConditionalGeneration:
    """Our network with the weights of a folder of theirs, and what it says of generation; as `read_model`."""
    model = read_model(folder, UnimodalForConditionalGeneration, dtype=dtype)
    model.generation_config = _generation(folder)
    return model


def read_model(folder: Path, make: Callable[[UnimodalConfig], Model], *, dtype: torch.dtype | None = None) -> Model:
    """What `make` builds of the spec of a folder of theirs, with its weights, in their type or in `dtype`.

    Raises ValueError or FileNotFoundError that names the file or the field which cannot be used.
    """
    origin = read_json(folder / CONFIG_FILE)
    if "auto_map" in origin:
        raise ValueError(f"{folder / CONFIG_FILE}: auto_map: names code to be run, and no such checkpoint is read")
    with ExitStack() as stack:
        with _naming(folder / CONFIG_FILE):
            conversion = conversion_of(origin)
            _check_depths(origin)
            config = _config(origin)
            theirs = _completed(config.to_dict(), origin)
            spec, keys = conversion.config(theirs), conversion.keys(theirs)
        tensors = LazyTensors(folder, stack)
        for path in keys.lacking(tensors):
            leave_out(spec, path)
        with _naming(folder / CONFIG_FILE), torch.device("meta"):
            model = make(UnimodalConfig(spec=spec, origin=origin, generation=conversion.generation))
        with _naming(folder):
            states = conversion.to_unimodal(tensors, theirs)
        _assign(model, states, keys.absent, dtype, where=folder)
    model.eval()
    return model


def write_checkpoint(model: PreTrainedModel, folder: Path, states: Mapping[str, Tensor] | None = None) -> None:
    """A folder that transformers reads, of a model that came from one of theirs; `states`: in place of its tensors."""
    origin = model.config.origin
    if origin is None:
        raise ValueError(f"{folder}: the model was not converted from another project, so it has no other form")
    folder.mkdir(parents=True, exist_ok=True)
    theirs = _completed(_config(origin).to_dict(), origin)
    states = conversion_of(origin).from_unimodal(model.state_dict() if states is None else states, theirs)
    save_torch_state_dict({name: tensor.contiguous() for name, tensor in states.items()}, folder)
    written = {**origin, "dtype": str(model.dtype).removeprefix("torch.")}
    (folder / CONFIG_FILE).write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    if model.can_generate():
        # Unlike save_pretrained, this does not refuse what old configs hold (a length penalty without beams).
        model.generation_config.to_json_file(folder / GENERATION_FILE)


def copy_accompanying(source: Path, destination: Path) -> None:
    """Copies the files of tokenizers and feature extractors, which are the same in both forms."""
    for pattern in ACCOMPANYING:
        for file in source.glob(pattern):
            ours = {CONFIG_FILE, GENERATION_FILE}
            if file.name not in ours and not any(file.match(weights) for weights in _WEIGHTS):
                shutil.copyfile(file, destination / file.name)


@final
class LazyTensors(Mapping[str, Tensor]):
    """The tensors of a folder's safetensors files, read as they are asked for."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self._files: dict[str, Any] = {}
        for file in weight_files(folder):
            try:
                opened = stack.enter_context(safe_open(file, framework="pt"))
            except SafetensorError as error:
                raise ValueError(f"{file}: is no safetensors file ({error})") from error
            self._files |= dict.fromkeys(opened.keys(), opened)

    def __getitem__(self, name: str) -> Tensor:
        tensor: Tensor = self._files[name].get_tensor(name)
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _assign(
    model: nn.Module, states: Mapping[str, Tensor], absent: tuple[str, ...], dtype: torch.dtype | None, *, where: Path
) -> None:
    """Gives a model without memory the tensors as they lie; what is absent becomes zeros."""
    kept = next(tensor.dtype for tensor in states.values() if tensor.is_floating_point()) if dtype is None else dtype
    described = model.state_dict()
    zeros = {name: torch.zeros(described[name].shape, dtype=kept) for name in absent}
    given = {**states, **zeros}
    for name, tensor in described.items():
        found = given.get(name)
        assert found is not None, f"the conversion's table lacks {name}"
        if found.shape != tensor.shape:
            raise ValueError(
                f"{where}: {name}: {CONFIG_FILE} describes {_said(tensor)}, the weights hold {_said(found)}"
            )
    typed = {name: tensor.to(dtype) if tensor.is_floating_point() else tensor for name, tensor in states.items()}
    model.load_state_dict({**typed, **zeros}, assign=True)


@contextmanager
def _naming(place: Path) -> Iterator[None]:
    """Errors below begin with the place that they are about."""
    try:
        yield
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RuntimeError) as error:
        # A config may hold anything where a number is expected; what becomes of it is the file's mistake.
        reason = f"{error} is missing" if isinstance(error, KeyError) else " ".join(str(error).split())
        raise ValueError(f"{place}: {reason}") from error


def leave_out(spec: dict[str, Any], path: str) -> None:
    """Takes the part at a path out of a spec."""
    *outer, part = path.split(".")
    for name in outer:
        spec = spec[name]
    del spec[part]


def _said(tensor: Tensor) -> str:
    return " x ".join(map(str, tensor.shape)) or "a number"


def _config(origin: Mapping[str, Any]) -> PretrainedConfig:
    """Their config with the defaults of its family: of transformers, the classes that hold settings are used alone."""
    rest = {name: deepcopy(value) for name, value in origin.items() if name != "model_type"}  # it changes what it gets
    try:
        return AutoConfig.for_model(RENAMED.get(origin["model_type"], origin["model_type"]), **rest)
    except (StrictDataclassError, AttributeError) as error:
        raise ValueError(" ".join(str(error).split())) from error


def _check_depths(given: Mapping[str, Any]) -> None:
    """Raises ValueError for what would keep us building: tables of names are as long as a config's stacks."""
    for name, value in given.items():
        if isinstance(value, Mapping):
            _check_depths(value)
        elif "layers" in name and isinstance(value, int) and not 0 <= value <= DEEPEST:
            raise ValueError(f"{name}: a stack has 0 to {DEEPEST} blocks, not {value}")


def _completed(defaults: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, whatever transformers makes of it, and defaults for the rest; sub-configs alike."""
    nested = {
        name: _completed(defaults[name], value)
        for name, value in given.items()
        if isinstance(value, Mapping) and "model_type" in value and isinstance(defaults.get(name), Mapping)
    }
    return {**defaults, **given, **nested}


def _generation(folder: Path) -> GenerationConfig:
    if (folder / GENERATION_FILE).is_file():
        with _naming(folder / GENERATION_FILE):
            return GenerationConfig(**read_json(folder / GENERATION_FILE))
    # Before version 4.26 of transformers, generation's settings stood among the model's.
    with _naming(folder / CONFIG_FILE):
        return GenerationConfig.from_pretrained(folder, config_file_name=CONFIG_FILE, _from_model_config=True)
