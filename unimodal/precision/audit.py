"""A precision audit: which activations of a float32 model would overflow or vanish in a narrower type."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

import torch
from torch import Tensor

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

BEGIN = "in"
END = "out"


@final
@dataclass(frozen=True)
class Activation:
    """What one module was given (`in`) or gave back (`out`), over all entries of a run."""

    module: str
    """Dotted path; the model's own is empty."""
    side: str
    largest: float
    """Absolute value; NaN where there was one."""
    share: float
    """Of the type's largest number; above 1 it overflows."""
    lost: float
    """Share of the entries that are not zero and would become zero; of several calls, the largest."""

    @property
    def overflows(self) -> bool:
        """Whether the type has no number for it."""
        return not self.share <= 1


@torch.no_grad()
def audit_precision(
    model: "UnimodalForConditionalGeneration", inputs: Mapping[str, Any], dtype: torch.dtype = torch.float16
) -> list[Activation]:
    """Runs `inputs` (as `forward` takes them) and measures what every module reads and writes, the largest first.

    What is computed inside a module counts where it leaves it: the product of a gated feed-forward is what its last
    map is given. Raises ValueError for a model whose own type is not wider than `dtype`.
    """
    if torch.finfo(model.dtype).max <= torch.finfo(dtype).max:
        raise ValueError(f"dtype: a model in {model.dtype} does not show what {dtype} would lose; load it in float32")
    found: dict[tuple[str, str], Activation] = {}

    def measure(name: str, side: str, values: Any) -> None:
        for tensor in _floats(values):
            seen = _measured(name, side, tensor, dtype)
            before = found.get((name, side), seen)
            found[name, side] = replace(max(before, seen, key=_order), lost=max(before.lost, seen.lost))

    handles = []
    for name, module in model.named_modules():
        handles.append(module.register_forward_pre_hook(lambda _, given, name=name: measure(name, BEGIN, given)))
        handles.append(module.register_forward_hook(lambda _, given, out, name=name: measure(name, END, out)))
    was_training = model.training
    model.eval()
    try:
        model(**inputs)
    finally:
        for handle in handles:
            handle.remove()
        model.train(was_training)
    return sorted(found.values(), key=_order, reverse=True)


def audit_table(activations: Iterable[Activation], rows: int = 12) -> str:
    """The first rows as text, for people: one line each."""
    head = f"{'largest':>12}  {'of range':>9}  {'lost':>7}  module"
    lines = [
        f"{found.largest:12.4g}  {found.share:9.2%}  {found.lost:7.2%}  {found.module or 'the model'} ({found.side})"
        for _, found in zip(range(rows), activations, strict=False)
    ]
    return "\n".join([head, *lines])


def _order(activation: Activation) -> float:
    return math.inf if math.isnan(activation.largest) else activation.largest


def _measured(name: str, side: str, tensor: Tensor, dtype: torch.dtype) -> Activation:
    largest = float(tensor.abs().max())
    present = int((tensor != 0).sum())
    lost = int(((tensor != 0) & (tensor.to(dtype) == 0)).sum())
    return Activation(name, side, largest, largest / torch.finfo(dtype).max, lost / max(present, 1))


def _floats(values: Any) -> Iterable[Tensor]:
    """The activations among a call's arguments or results."""
    if isinstance(values, Tensor):
        if values.is_floating_point() and values.numel():
            yield values
    elif isinstance(values, tuple):
        for value in values:
            yield from _floats(value)
