"""A model's folder: found or downloaded, and checked before anything that it says is built.

A folder may come from anybody. What it names is only ever a class below `unimodal.`; its weights are safetensors, whose
shapes are those of the model that its config describes, so that a config cannot ask for more than its file holds.
"""

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from unimodal.loading.auto import MODEL_TYPE

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
INDEX_FILE = "model.safetensors.index.json"
PATTERNS = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm")
BUILT = ("spec", "readouts", "readout_memories", "quantization", "generation")
"""Fields of a config that say what is built."""
_FILE_NAME = re.compile(r"\w[\w.-]*\.safetensors", re.ASCII)
MOST_BYTES = 1_000_000
"""Of a config: thousands of times what a model needs."""

Shapes = Mapping[str, tuple[int, ...]]


def find_folder(name: str | Path, *, revision: str | None = None, local_files_only: bool = False) -> Path:
    """The folder itself, or that of a download from the Hub; FileNotFoundError where there is neither.

    `revision` is a branch, a tag or a commit of the Hub's repository; `local_files_only` asks its cache alone.
    """
    if Path(name).is_dir():
        return Path(name)
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(
            snapshot_download(
                str(name),
                revision=revision,
                local_files_only=local_files_only,
                allow_patterns=list(PATTERNS),
            )
        )
    except HFValidationError as error:
        raise FileNotFoundError(f"{name}: no such folder, and no name of a model on the Hub") from error
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise FileNotFoundError(
            f"{name}: no such folder, and the Hub does not give it ({type(error).__name__})"
        ) from error


def read_json(file: Path) -> dict[str, Any]:
    """A JSON object of moderate size. Raises ValueError that names the file."""
    if not file.is_file():
        raise FileNotFoundError(f"{file}: not there; is {file.parent} a model's folder?")
    if file.stat().st_size > MOST_BYTES:
        raise ValueError(f"{file}: has more than {MOST_BYTES:,} bytes, so it is no config of a model")
    try:
        values = json.loads(file.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{file}: is no JSON ({type(error).__name__})") from error
    if not isinstance(values, dict):
        raise ValueError(f"{file}: holds no JSON object")
    return values


def check_folder(folder: Path, build: Callable[[dict[str, Any]], nn.Module]) -> None:
    """Raises one line where a folder's config is none of ours, or does not describe the model that its weights hold.

    `build` makes the model of a config's fields; it is called where no tensor takes room.
    """
    config = read_json(folder / CONFIG_FILE)
    if config.get("model_type") != MODEL_TYPE:
        raise ValueError(f"{folder / CONFIG_FILE}: model_type is {config.get('model_type')!r}, not '{MODEL_TYPE}'")
    if "transformers_weights" in config:
        raise ValueError(f"{folder / CONFIG_FILE}: transformers_weights: weights are read from {WEIGHTS_FILE} alone")
    if not isinstance(config.get("spec"), dict):
        raise ValueError(f"{folder / CONFIG_FILE}: spec: expected a mapping, got {type(config.get('spec')).__name__}")
    found = _shapes(folder)
    try:
        with torch.device("meta"):
            model = build({name: value for name, value in config.items() if name in BUILT})
    except ValueError as error:
        raise ValueError(f"{folder / CONFIG_FILE}: {error}") from error
    expected = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise ValueError(
                f"{folder}: {name}: the config describes {_said(expected, name)}, the weights hold {_said(found, name)}"
            )


def _said(shapes: Shapes, name: str) -> str:
    return " x ".join(map(str, shapes[name])) or "a number" if name in shapes else "none"


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files of a folder, one or as its index names them."""
    if (folder / INDEX_FILE).is_file() and not (folder / WEIGHTS_FILE).is_file():
        names = read_json(folder / INDEX_FILE).get("weight_map", {})
        if not isinstance(names, dict) or not all(_FILE_NAME.fullmatch(str(file)) for file in names.values()):
            raise ValueError(f"{folder / INDEX_FILE}: weight_map: names what is no safetensors file of its folder")
        files = sorted(set(names.values()))
    else:
        files = [WEIGHTS_FILE]
    for file in files:
        if not (folder / file).is_file():
            raise FileNotFoundError(f"{folder / file}: not there; weights in any other format are not read")
    return [folder / file for file in files]


def _shapes(folder: Path) -> Shapes:
    """The shapes of all tensors, from the heads of the files."""
    shapes: dict[str, tuple[int, ...]] = {}
    for file in weight_files(folder):
        try:
            with safe_open(file, framework="pt") as tensors:
                shapes |= {name: tuple(tensors.get_slice(name).get_shape()) for name in tensors.keys()}  # noqa: SIM118
        except SafetensorError as error:
            raise ValueError(f"{file}: is no safetensors file ({error})") from error
    return shapes
