"""transformers' names of activations -> our parts."""

from collections.abc import Mapping
from typing import Any

ACTIVATIONS = {
    "gelu": "unimodal.activations.GELU",
    "gelu_fast": "unimodal.activations.TanhGELU",
    "gelu_new": "unimodal.activations.TanhGELU",
    "gelu_python": "unimodal.activations.GELU",
    "gelu_pytorch_tanh": "unimodal.activations.TanhGELU",
    "relu": "unimodal.activations.ReLU",
    "silu": "unimodal.activations.SiLU",
    "swish": "unimodal.activations.SiLU",
    "tanh": "unimodal.activations.Tanh",
}


def activation_of(theirs: Mapping[str, Any], field: str) -> str:
    """The import path of the activation that a field names. Raises ValueError for one that ours lack."""
    name = theirs[field]
    if name not in ACTIVATIONS:
        raise ValueError(f"{field}: '{name}' is none of {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[name]
