"""Counted work: operations that torch dispatches, and those of them that Python waits for."""

from collections import Counter
from collections.abc import Callable
from typing import Any, final

from torch.utils._python_dispatch import TorchDispatchMode

TRANSFERS = ("aten.is_nonzero", "aten.item", "aten._local_scalar_dense", "aten.nonzero")


@final
class Operations(TorchDispatchMode):
    """Counts what is dispatched inside."""

    def __init__(self) -> None:
        super().__init__()
        self.names: Counter[str] = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names[str(operation.overloadpacket)] += 1
        return operation(*args, **(kwargs or {}))

    @property
    def transfers(self) -> int:
        return sum(self.names[name] for name in TRANSFERS)


def operations(work: Callable[[], object]) -> Operations:
    """What some work dispatched."""
    with Operations() as counted:
        work()
    return counted
