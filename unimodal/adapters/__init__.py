"""Adapters: few new parameters that turn a trained model to something new, while its own stay as they are."""

from abc import ABC, abstractmethod
from pathlib import Path

from unimodal.model import UnimodalForConditionalGeneration


class Adapter(ABC):
    """A way to adapt a model in place; files are PEFT's own (`adapter_config.json`, `adapter_model.safetensors`).

    Laws: a fresh adapter changes no output; only its parameters learn; `save` then `load` gives the same outputs, and
    `merge` too, up to rounding, on plain layers again.
    """

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
        """Folds the adapters into the weights that they adapt."""
