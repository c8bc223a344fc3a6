"""Where in a pass over a batch the first value appears that is not finite."""

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, nullcontext
from typing import Any, final

import torch
from torch import Tensor, nn

from unimodal.batching import Batch
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.objectives import Objective, learn, total


def first_non_finite(
    model: UnimodalForConditionalGeneration,
    objective: Objective,
    batch: Batch,
    seed: int,
    *,
    context: AbstractContextManager[Any] | None = None,
) -> str | None:
    """Runs forward and backward over a batch with the noise of a seed, and names the place, or None.

    It is a parameter, an array of the batch, the output of a layer whose inputs are finite, a loss, or the gradient
    that a layer passes on though what it was given is finite. The parameters' gradients are gone afterwards.
    """
    for name, parameter in _parts(model, objective).named_parameters():
        if not _finite(parameter):
            return f"the parameter {name}, before the step"
    for name, array in arrays(batch):
        if not _finite(array):
            return f"the batch's own {name}"
    watch = _Watch()
    with ExitStack() as stack:
        for name, module in _parts(model, objective).named_modules():
            if name:
                stack.enter_context(watch.watching(name, module))
        torch.manual_seed(seed)
        with nullcontext() if context is None else context:
            terms = learn(model, objective, batch)
            loss = total(terms)
    if watch.output is not None:
        return f"the output of {watch.output}"
    for name, term in terms.items():
        if not _finite(term.loss):
            return f"the loss {name}"
    if not _finite(loss):
        return "the sum of the losses"
    return _first_gradient(_parts(model, objective), loss, watch)


def arrays(batch: Batch) -> Iterator[tuple[str, Tensor]]:
    """All tensors of a batch with their places: `source.pieces.speech.arrays.mel`."""
    return _tensors(batch, "")


@final
class _Watch:
    """What hooks of all layers see, in the order of the pass."""

    def __init__(self) -> None:
        self.output: str | None = None
        """The first layer that made non-finite values out of finite ones."""
        self.given: dict[str, bool] = {}
        """Whether the gradients at a layer's outputs are finite, in the order of the backward pass."""
        self.passed_on: dict[str, bool] = {}
        """Whether those at its inputs are."""

    def watching(self, name: str, module: nn.Module) -> AbstractContextManager[Any]:
        """Watches one layer until the context ends; its gradients also afterwards."""
        inputs_finite = True

        def before(module: nn.Module, args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            nonlocal inputs_finite
            inputs_finite = all(_finite(tensor) for _, tensor in _tensors([args, kwargs], ""))
            # Several layers may read one tensor: each gets a view, whose gradient is what this layer passes on.
            args = tuple(self._own(name, value) for value in args)
            return args, {key: self._own(name, value) for key, value in kwargs.items()}

        def after(module: nn.Module, args: Any, kwargs: dict[str, Any], output: Any) -> None:
            outputs = [tensor for _, tensor in _tensors(output, "")]
            if self.output is None and inputs_finite and not all(map(_finite, outputs)):
                self.output = name
            for tensor in outputs:
                _listen(tensor, self.given, name)

        stack = ExitStack()
        stack.callback(module.register_forward_pre_hook(before, with_kwargs=True).remove)
        stack.callback(module.register_forward_hook(after, with_kwargs=True).remove)
        return stack

    def _own(self, name: str, value: Any) -> Any:
        if not isinstance(value, Tensor) or not value.requires_grad:
            return value
        view = value.view_as(value)
        _listen(view, self.passed_on, name)
        return view


def _first_gradient(parts: nn.Module, loss: Tensor, watch: _Watch) -> str | None:
    for parameter in parts.parameters():
        parameter.grad = None
    loss.backward()
    spoilt = next((name for name, finite in watch.passed_on.items() if not finite and watch.given.get(name, True)), "")
    reached = next((name for name, finite in watch.given.items() if not finite), "")
    learning = [(name, parameter.grad) for name, parameter in parts.named_parameters() if parameter.grad is not None]
    weight = next((name for name, gradient in learning if not _finite(gradient)), "")
    for parameter in parts.parameters():
        parameter.grad = None
    if spoilt:
        return f"the gradient that {spoilt} passes on"
    if reached:
        return f"the gradient of the loss at the output of {reached}"
    return f"the gradient of the parameter {weight}" if weight else None


def _parts(model: nn.Module, objective: nn.Module) -> nn.ModuleDict:
    """Both under the names that a run's checkpoint has for them."""
    return nn.ModuleDict({"model": model, "objective": objective})


def _listen(tensor: Tensor, heard: dict[str, bool], name: str) -> None:
    if tensor.requires_grad:
        tensor.register_hook(lambda gradient: heard.update({name: heard.get(name, True) and _finite(gradient)}))


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())


def _tensors(value: Any, place: str) -> Iterator[tuple[str, Tensor]]:
    """Those of nested sequences, mappings and dataclasses."""
    if isinstance(value, Tensor):
        yield place, value
        return
    items: Iterator[tuple[Any, Any]] | Any = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, list | tuple):
        items = enumerate(value)
    elif dataclasses.is_dataclass(value):
        items = vars(value).items()
    for name, item in items:
        yield from _tensors(item, f"{place}.{name}" if place else str(name))
