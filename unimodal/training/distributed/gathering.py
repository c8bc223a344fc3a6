"""Parameters that ZeRO's third stage has cut among the processes, whole again."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from torch import Tensor, nn


def is_cut(parameter: Tensor) -> bool:
    """Whether this process holds a part of it alone: DeepSpeed numbers those parameters."""
    return "ds_id" in vars(parameter)


@contextmanager
def whole(parameters: Iterable[nn.Parameter]) -> Iterator[None]:
    """All of the parameters at once, to be read; every process has to come here."""
    cut = [parameter for parameter in parameters if is_cut(parameter)]
    if not cut:
        yield
        return
    import deepspeed

    with deepspeed.zero.GatheredParameters(cut):
        yield


def whole_weights(module: nn.Module, *, keep: bool) -> dict[str, Tensor]:
    """The module's state dict, gathered one parameter after the other; every process has to call it.

    A process that does not `keep` them gets nothing. Parameters that are shared stay shared.
    """
    weights: dict[str, Tensor] = {}
    gathered: dict[int, Tensor] = {}
    for name, value in module.state_dict(keep_vars=True).items():
        if not is_cut(value):
            weights[name] = value.detach()
            continue
        if id(value) not in gathered:
            with whole([value]):
                gathered[id(value)] = value.detach().cpu().clone() if keep else value.new_empty(0)
        weights[name] = gathered[id(value)]
    return weights if keep else {}
