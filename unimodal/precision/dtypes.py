"""The types of numbers that a model can be loaded in, by name."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor, nn

from unimodal.build import build
from unimodal.precision.audit import Activation, audit_precision, audit_table
from unimodal.precision.rescaling import is_rescalable, probe, reads_tokens, rescale, undo_rescaling
from unimodal.quantizations import Quantization

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

NONE, INT8 = "unimodal.quantizations.none.NoQuantization", "unimodal.quantizations.int8.Int8"
INT4 = "unimodal.quantizations.int4.Int4"


@final
@dataclass(frozen=True, kw_only=True)
class NumberType:
    """How weights are read, and what is then done to the model that has them."""

    name: str
    read: torch.dtype | None
    """None: as the file has them."""
    finish: "Callable[[UnimodalForConditionalGeneration], object]"

    @property
    def plain(self) -> torch.dtype | None:
        """For a part that is only cast. Raises ValueError for a type that is more than that."""
        if self.name in ("int8", "int4"):
            raise ValueError(f"dtype: {self.name} is for models that have a token table")
        return None if self.read is None else NAMED[self.name]


def number_type(dtype: str | torch.dtype | None) -> NumberType:
    """The type of a name. Raises ValueError for one that models are not loaded in."""
    name = "auto" if dtype is None else str(dtype).removeprefix("torch.")
    if name not in NUMBER_TYPES:
        raise ValueError(f"dtype: {name!r} is none of {', '.join(NUMBER_TYPES)}")
    return NUMBER_TYPES[name]


def quantize(model: "UnimodalForConditionalGeneration", quantization: str = INT8) -> None:
    """Quantises a float model in place, by the import path of a Quantization, which its config then names."""
    if model.config.quantization == quantization:
        return
    if model.config.quantization != NONE:
        raise ValueError(f"dtype: the weights are {model.config.quantization} already; load the original")
    build(quantization, Quantization, where="quantization").apply(model)
    model.config.quantization = quantization


def to_float16(model: "UnimodalForConditionalGeneration") -> None:
    """A float32 model in float16; one of T5's kind is rescaled before, where a probe shows that it would overflow.

    Others that read tokens and would overflow are left to it, with a warning that names where.
    """
    check_plain(model)
    spec = model.config.spec
    if spec is not None and reads_tokens(spec) and model.config.rescaling is None:
        if is_rescalable(spec):
            rescale(model, probe(model))
        else:
            _warn(audit_precision(model, probe(model)))
    whole: nn.Module = model
    whole.to(torch.float16)


def check_plain(model: "UnimodalForConditionalGeneration") -> None:
    """Raises ValueError for a model whose weights were quantised."""
    if model.config.quantization != NONE:
        raise ValueError(f"dtype: the weights are {model.config.quantization}, and nothing brings the floats back")


def original_states(model: "UnimodalForConditionalGeneration") -> dict[str, Tensor]:
    """Its tensors as they came from another project. Raises ValueError where digits were lost since."""
    check_plain(model)
    return undo_rescaling(model.state_dict(), model.config.rescaling)


def _warn(activations: list[Activation]) -> None:
    overflowing = [activation for activation in activations if activation.overflows]
    if overflowing:
        table = audit_table(overflowing)
        warnings.warn(f"dtype: float16 has no numbers for {len(overflowing)} activations\n{table}", stacklevel=4)


NAMED = {
    str(dtype).removeprefix("torch."): dtype for dtype in (torch.float64, torch.float32, torch.bfloat16, torch.float16)
}
NUMBER_TYPES = {
    "auto": NumberType(name="auto", read=None, finish=lambda model: None),
    "float64": NumberType(name="float64", read=torch.float64, finish=check_plain),
    "float32": NumberType(name="float32", read=torch.float32, finish=check_plain),
    "bfloat16": NumberType(name="bfloat16", read=torch.bfloat16, finish=check_plain),
    "float16": NumberType(name="float16", read=torch.float32, finish=to_float16),
    "int8": NumberType(name="int8", read=torch.float32, finish=quantize),
    "int4": NumberType(name="int4", read=torch.float32, finish=lambda model: quantize(model, INT4)),
}
