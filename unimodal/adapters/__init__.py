"""Adapters: few new parameters that turn a trained model to something new, while its own stay as they are."""

import importlib
import inspect
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from unimodal.loading.folder import read_json
from unimodal.model import UnimodalForConditionalGeneration

CONFIG = "adapter_config.json"
WEIGHTS = "adapter_model.safetensors"


class Adapter(ABC):
    """A way to adapt a model in place; files are PEFT's own (`adapter_config.json`, `adapter_model.safetensors`).

    Laws: a fresh adapter changes no output, if it is `neutral`; only its parameters learn; `save` then `load` gives the
    same outputs, and `merge` too, up to rounding, on plain layers again, if it is `mergeable`.
    """

    peft_type: ClassVar[str]
    """What PEFT calls the kind, in the config; empty where that is the wrapped one's."""
    wraps: ClassVar[bool]
    """Whether it is around another adapter: a saved config is the other's and more, so it is asked first."""
    neutral: bool
    """Whether a fresh one changes nothing; one that must begin elsewhere changes a little."""
    mergeable: bool
    """Whether it is a change of weights; one that is not stays in the model."""

    @classmethod
    @abstractmethod
    def reads(cls, settings: Mapping[str, Any]) -> bool:
        """Whether a saved adapter, by its config, is of this kind."""

    @abstractmethod
    def attach(self, model: UnimodalForConditionalGeneration) -> None:
        """Puts fresh adapters into the model and freezes all else."""

    @abstractmethod
    def save(self, model: UnimodalForConditionalGeneration, folder: Path) -> None:
        """Writes the adapters alone."""

    @classmethod
    @abstractmethod
    def load(cls, model: UnimodalForConditionalGeneration, folder: Path) -> "Adapter":
        """Puts saved adapters into the model that they were trained on."""

    @abstractmethod
    def merge(self, model: UnimodalForConditionalGeneration) -> None:
        """Folds the adapters into the weights that they adapt. Raises ValueError where that cannot be done."""


def load(model: UnimodalForConditionalGeneration, folder: Path) -> Adapter:
    """Puts saved adapters of any kind into the model that they were trained on.

    Raises ValueError or FileNotFoundError that names the file and what it says.
    """
    settings, kinds = read_json(folder / CONFIG), _kinds()
    for kind in sorted(kinds, key=lambda kind: not kind.wraps):
        if kind.reads(settings):
            return kind.load(model, folder)
    known = ", ".join(sorted({kind.peft_type for kind in kinds} - {""}))
    raise ValueError(f"{folder / CONFIG}: peft_type: {settings.get('peft_type')!r} is none of {known}")


def _kinds() -> list[type[Adapter]]:
    """The adapters of this folder."""
    modules = [importlib.import_module(f"{__name__}.{module.name}") for module in pkgutil.iter_modules(__path__)]
    return [
        kind
        for module in modules
        for kind in vars(module).values()
        if inspect.isclass(kind) and issubclass(kind, Adapter) and kind.__module__ == module.__name__
    ]
