"""One encoder-decoder: any modality goes in, tokens come out, any modality can be made from them.

Importing this package is cheap: torch is imported when a public name is first used. It makes transformers' Auto classes
find ours, whichever of the two packages is imported first.
"""

import logging
import sys
from typing import TYPE_CHECKING

from unimodal.loading.auto import announce

__version__ = "0.1.0"
__all__ = [
    "UnimodalConfig",
    "UnimodalForConditionalGeneration",
    "UnimodalProcessor",
    "__version__",
    "audit_precision",
    "load",
]

if TYPE_CHECKING:
    from unimodal.config import UnimodalConfig as UnimodalConfig
    from unimodal.loading.hub import load as load
    from unimodal.model import UnimodalForConditionalGeneration as UnimodalForConditionalGeneration
    from unimodal.precision.audit import audit_precision as audit_precision
    from unimodal.processor import UnimodalProcessor as UnimodalProcessor

# Where the public names live.
_HOMES = {
    "UnimodalConfig": "unimodal.config",
    "UnimodalForConditionalGeneration": "unimodal.model",
    "UnimodalProcessor": "unimodal.processor",
    "audit_precision": "unimodal.precision.audit",
    "load": "unimodal.loading.hub",
}


def __getattr__(name: str) -> object:
    """Imports a public name's module at its first use."""
    if name not in _HOMES:
        raise AttributeError(f"module 'unimodal' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)


announce(sys.modules[__name__])
# Where DeepSpeed is installed, transformers imports it to save a model; without a GPU it says so on standard output.
logging.getLogger("DeepSpeed").addFilter(lambda record: "Setting accelerator to CPU" not in record.getMessage())
