"""Where compiled passes are kept, under names made of all that they depend on."""

import hashlib
import json
import os
import stat
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

import unimodal

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


def user_folder() -> Path:
    """The default: below the user's cache folder."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "unimodal" / "compiled"


@final
class Artefacts:
    """A folder of machine code, which is run as it lies there: so it is the user's own, for nobody else to write."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def path(self, name: str, suffix: str) -> Path:
        """Where something of an artefact lies or will lie; the folder is made and looked at first."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        found = self._folder.stat()
        if found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ValueError(f"capture: {self._folder} can be written by others, so nothing in it is run")
        return self._folder / f"{name}{suffix}"


def weights_of(model: "UnimodalForConditionalGeneration") -> dict[str, Tensor]:
    """Parameters and buffers by name, those that no state dict has among them."""
    return {**dict(model.named_parameters()), **dict(model.named_buffers())}


def name_of(model: "UnimodalForConditionalGeneration", form: Mapping[str, Any]) -> str:
    """The name of what is compiled for a model and a form of its step on this machine, with this number of threads."""
    depends_on = {
        "config": {"spec": model.config.spec, "quantization": model.config.quantization},
        "modules": [(path, type(module).__qualname__) for path, module in model.named_modules()],
        "weights": [(path, str(x.dtype), list(x.shape)) for path, x in weights_of(model).items()],
        "form": form,
        "torch": torch.__version__,
        "processor": [torch.backends.cpu.get_cpu_capability(), torch.cpu.get_capabilities()],
        "threads": torch.get_num_threads(),
        "sources": _digest_of_sources(),
    }
    return hashlib.sha256(json.dumps(depends_on, sort_keys=True, default=str).encode()).hexdigest()[:32]


@cache
def _digest_of_sources() -> str:
    """Of this package's files: a recording follows the code that it was made of."""
    digest = hashlib.sha256()
    folder = Path(unimodal.__file__).parent
    for path in sorted(folder.rglob("*.py")):
        digest.update(str(path.relative_to(folder)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()
