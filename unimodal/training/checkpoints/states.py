"""The state of a run as tensors (safetensors) and a tree of plain values (JSON): nothing that runs code when read."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from unimodal.training.checkpoints.manifest import write_durably

WEIGHTS_FILE = "weights.safetensors"
STATE_FILE = "state.safetensors"
TREE_FILE = "state.json"
# What JSON has no word for is an object of one of these keys.
_TENSOR, _TUPLE, _ITEMS, _FLOAT, _DTYPE = "$tensor", "$tuple", "$items", "$float", "$dtype"


@final
class Snapshot:
    """A copy of nested values on the CPU: what happens to them later changes nothing.

    `tensors` are named by their place; a tensor that stands in several places is copied once. Raises ValueError that
    names the place of a value that is neither a tensor, a number, a text nor made of these.
    """

    def __init__(self, values: Any) -> None:
        self.tensors: dict[str, Tensor] = {}
        self._known: dict[tuple[Any, ...], str] = {}
        self.tree = self._taken(values, "")

    def _taken(self, value: Any, place: str) -> Any:
        if value is None or isinstance(value, bool | str):
            return value
        if isinstance(value, int):
            return int(value)
        if isinstance(value, float):
            return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
        if isinstance(value, Tensor):
            return {_TENSOR: self._copy(value, place)}
        if isinstance(value, torch.dtype):
            return {_DTYPE: str(value).removeprefix("torch.")}
        if isinstance(value, list | tuple):
            items = [self._taken(item, _below(place, number)) for number, item in enumerate(value)]
            return items if isinstance(value, list) else {_TUPLE: items}
        if isinstance(value, Mapping):
            taken = [(key, self._taken(item, _below(place, key))) for key, item in value.items()]
            if all(isinstance(key, str) and not key.startswith("$") for key, _ in taken):
                return dict(taken)
            return {_ITEMS: [[self._taken(key, place), item] for key, item in taken]}
        raise ValueError(f"{place}: a checkpoint cannot hold a {type(value).__qualname__}")

    def _copy(self, tensor: Tensor, place: str) -> str:
        identity = (tensor.data_ptr(), tensor.device, tensor.dtype, tuple(tensor.shape), tensor.stride())
        if tensor.numel() == 0 or identity not in self._known:
            self.tensors[place] = tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
            self._known[identity] = place
        return self._known[identity]


def restore(tree: Any, tensors: Mapping[str, Tensor]) -> Any:
    """The values of a snapshot. Raises KeyError, ValueError or TypeError for a tree that no snapshot has."""
    if isinstance(tree, list):
        return [restore(item, tensors) for item in tree]
    if not isinstance(tree, dict):
        return tree
    if len(tree) == 1:
        ((key, value),) = tree.items()
        if key == _TENSOR:
            return tensors[value]
        if key == _TUPLE:
            return tuple(restore(item, tensors) for item in value)
        if key == _ITEMS:
            return {restore(name, tensors): restore(item, tensors) for name, item in value}
        if key == _FLOAT:
            return float(value)
        if key == _DTYPE:
            return _dtype(value)
    return {key: restore(item, tensors) for key, item in tree.items()}


def write_state(folder: Path, weights: Snapshot, rest: Snapshot) -> list[str]:
    """Writes the weights and all else; gives the names of the files."""
    save_file(weights.tensors, folder / WEIGHTS_FILE)
    save_file(rest.tensors, folder / STATE_FILE)
    trees = {"weights": weights.tree, "rest": rest.tree}
    write_durably(folder / TREE_FILE, json.dumps(trees, allow_nan=False).encode())
    return [WEIGHTS_FILE, STATE_FILE, TREE_FILE]


def read_state(folder: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The weights by name, and all else. The files have been checked against their manifest before."""
    trees = json.loads((folder / TREE_FILE).read_bytes())
    # Copies: a mapped file that is removed while its pages are still to be read would end the process.
    weights, rest = ({name: tensor.clone() for name, tensor in load_file(folder / file).items()} for file in _TENSORS)
    return restore(trees["weights"], weights), restore(trees["rest"], rest)


_TENSORS = (WEIGHTS_FILE, STATE_FILE)


def _dtype(name: str) -> torch.dtype:
    found = getattr(torch, name)
    if not isinstance(found, torch.dtype):
        raise ValueError(f"{name}: is no dtype")
    return found


def _below(place: str, key: object) -> str:
    return f"{place}/{key}" if place else str(key)
