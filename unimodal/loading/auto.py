"""Lets transformers' Auto classes find ours as soon as `unimodal` is imported, without importing torch for it.

transformers keeps tables (model type -> class name) and imports `transformers.models.<model type>` when a class is
first asked for. So our names are added to each table when its module is imported, and the package `unimodal`, which
imports its classes when they are first used, answers to the name `transformers.models.unimodal`.
"""

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import final

MODEL_TYPE = "unimodal"


@final
@dataclass(frozen=True)
class Table:
    """A table of transformers, the Auto class that reads it, and the name of ours that belongs there."""

    names: str
    auto: str
    ours: str


_AUTO = "transformers.models.auto"
TABLES = {
    f"{_AUTO}.configuration_auto": Table("CONFIG_MAPPING_NAMES", "AutoConfig", "UnimodalConfig"),
    f"{_AUTO}.modeling_auto": Table(
        "MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES", "AutoModelForSeq2SeqLM", "UnimodalForConditionalGeneration"
    ),
    f"{_AUTO}.processing_auto": Table("PROCESSOR_MAPPING_NAMES", "AutoProcessor", "UnimodalProcessor"),
}
"""By the module that holds the table."""


def announce(package: ModuleType) -> None:
    """Adds our names to the tables: when their modules are imported, or now where that has happened (so has torch)."""
    sys.modules[f"transformers.models.{MODEL_TYPE}"] = package
    sys.meta_path.insert(0, _Finder())
    present = [sys.modules[name] for name in TABLES if name in sys.modules]
    for module in present:
        _add(module)
    for module in present:  # what was made of the table must be told apart
        table = TABLES[module.__name__]
        key = MODEL_TYPE if table.auto == "AutoConfig" else package.UnimodalConfig
        vars(module)[table.auto].register(key, getattr(package, table.ours), exist_ok=True)


def _add(module: ModuleType) -> None:
    table = TABLES[module.__name__]
    vars(module)[table.names][MODEL_TYPE] = table.ours


@final
class _Finder(MetaPathFinder):
    """Finds the modules of the tables as the other finders do, and has their loader add our names."""

    def find_spec(
        self, fullname: str, path: Iterable[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in TABLES:
            return None
        folders = None if path is None else list(path)
        specs = (finder.find_spec(fullname, folders, target) for finder in sys.meta_path if finder is not self)
        spec = next((spec for spec in specs if spec is not None), None)
        if spec is not None and spec.loader is not None:
            spec.loader = _Adding(spec.loader)
        return spec


@final
class _Adding(Loader):
    """Loads as another loader, then adds our name."""

    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _add(module)
