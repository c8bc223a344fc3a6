"""Parts that learn whole beside an adapter: small nets, and single rows of the token table, in PEFT's own file."""

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from unimodal import adapters
from unimodal.adapters import CONFIG, WEIGHTS, Adapter
from unimodal.loading.folder import read_json
from unimodal.model import UnimodalForConditionalGeneration

MODULES = "modules_to_save"
ROWS = "trainable_token_indices"
"""Fields of an adapter's config: names of whole parts, and ids of rows by the name of their table."""
TABLE = "embedding"
PREFIX = "base_model.model."
ROWS_TENSOR = f"{PREFIX}{TABLE}.token_adapter.trainable_tokens_delta"
"""As peft calls the values of the rows; they are no differences, whatever the name says."""


@final
class WithParts(Adapter):
    """Another adapter, and beside it `modules` that learn whole and `rows` of the token table; all else stays.

    It suits what is small beside the model but must change much: the net that hears another microphone, the letters of
    another language. A module is named by its path, as `prenets.speech`.
    """

    peft_type = ""
    wraps = True

    def __init__(self, adapter: Adapter, *, modules: Sequence[str] = (), rows: Sequence[int] = ()) -> None:
        self.adapter, self.modules, self.rows = adapter, tuple(modules), tuple(rows)
        self.neutral, self.mergeable = adapter.neutral, adapter.mergeable

    @classmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        return bool(settings.get(MODULES) or settings.get(ROWS))

    def attach(self, model: UnimodalForConditionalGeneration) -> None:
        parts = self._parts(model)
        plain = {name: part.state_dict().keys() for name, part in parts.items()}
        self.adapter.attach(model)
        for name, part in parts.items():
            if part.state_dict().keys() != plain[name]:
                raise ValueError(f"modules: {name} learns whole, so nothing in it can be adapted besides")
        for part in parts.values():
            part.requires_grad_(True)
        if self.rows:
            weight = model.embedding.weight.requires_grad_(True)
            chosen = torch.zeros(weight.shape[0], 1, dtype=torch.bool)
            chosen[list(self.rows)] = True
            # Adam leaves a row without gradients as it is, and decays no row of a table.
            weight.register_hook(lambda gradient: gradient * chosen.to(gradient.device))

    def save(self, model: UnimodalForConditionalGeneration, folder: Path) -> None:
        self.adapter.save(model, folder)
        tensors, settings = load_file(folder / WEIGHTS), read_json(folder / CONFIG)
        if self.modules:
            settings[MODULES] = list(self.modules)
        for name, part in self._parts(model).items():
            tensors |= {f"{PREFIX}{name}.{key}": value.contiguous() for key, value in part.state_dict().items()}
        if self.rows:
            settings[ROWS] = {TABLE: list(self.rows)}
            tensors[ROWS_TENSOR] = model.embedding.weight[list(self.rows)].detach().contiguous()
        save_file(tensors, folder / WEIGHTS)
        (folder / CONFIG).write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, model: UnimodalForConditionalGeneration, folder: Path) -> "WithParts":
        settings = read_json(folder / CONFIG)
        modules, rows = _named(folder / CONFIG, settings, model)
        if not (folder / WEIGHTS).is_file():
            raise FileNotFoundError(f"{folder / WEIGHTS}: not there; is {folder} an adapter's folder?")
        tensors = load_file(folder / WEIGHTS)
        own = {f"{PREFIX}{name}.{key}" for name in modules for key in model.get_submodule(name).state_dict()}
        own |= {ROWS_TENSOR} if rows else set()
        with _view(settings, {name: value for name, value in tensors.items() if name not in own}) as alone:
            adapter = adapters.load(model, alone)
        state = model.state_dict()
        for name in sorted(own - {ROWS_TENSOR}):
            _copy(folder / WEIGHTS, name, tensors, state[name.removeprefix(PREFIX)])
        if rows:
            found = model.embedding.weight.detach()
            new = found[list(rows)]
            _copy(folder / WEIGHTS, ROWS_TENSOR, tensors, new)
            found[list(rows)] = new
        return cls(adapter, modules=modules, rows=rows)

    def merge(self, model: UnimodalForConditionalGeneration) -> None:
        self.adapter.merge(model)  # the parts are in their places already

    def _parts(self, model: UnimodalForConditionalGeneration) -> dict[str, nn.Module]:
        known = {name: part for name, part in model.named_modules() if name}
        for name in self.modules:
            if name not in known:
                nets = ", ".join(sorted(f"prenets.{net}" for net in model.prenets))
                raise ValueError(f"modules: the model has no part '{name}'; its pre-nets are {nets}")
        return {name: known[name] for name in self.modules}


def _named(
    file: Path, settings: Mapping[str, Any], model: UnimodalForConditionalGeneration
) -> tuple[list[str], list[int]]:
    """What a config says of parts and rows. Raises ValueError for what the model does not have."""
    modules, tables = settings.get(MODULES) or [], settings.get(ROWS) or {}
    known = {name for name, _ in model.named_modules() if name}
    if not isinstance(modules, list) or not all(isinstance(name, str) and name in known for name in modules):
        raise ValueError(f"{file}: {MODULES}: expected names of parts of the model, got {modules!r:.80}")
    rows = tables.get(TABLE, []) if isinstance(tables, dict) else None
    size = model.embedding.num_embeddings
    if not isinstance(rows, list) or set(tables) - {TABLE} or not all(type(row) is int for row in rows):
        raise ValueError(f"{file}: {ROWS}: expected ids of rows of '{TABLE}', got {tables!r:.80}")
    if any(not 0 <= row < size for row in rows) or len(set(rows)) < len(rows):
        raise ValueError(f"{file}: {ROWS}: expected different ids below {size}, the size of the vocabulary")
    return modules, rows


@contextmanager
def _view(settings: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Iterator[Path]:
    """A folder with the adapter alone, which reads nothing but its own."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        alone = {key: value for key, value in settings.items() if key not in (MODULES, ROWS)}
        (folder / CONFIG).write_text(json.dumps(alone), encoding="utf-8")
        save_file(dict(tensors), folder / WEIGHTS)
        yield folder


def _copy(file: Path, name: str, tensors: Mapping[str, Tensor], target: Tensor) -> None:
    """Copies one tensor of a file in place. Raises ValueError where it is missing or of another shape."""
    found = tuple(tensors[name].shape) if name in tensors else None
    if found != tuple(target.shape):
        raise ValueError(f"{file}: {name}: the model asks for {tuple(target.shape)}, the file holds {found}")
    target.copy_(tensors[name])
