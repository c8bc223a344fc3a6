"""A sequence whose items are made when they are asked for: sounds are read and numbers drawn then, and not kept."""

from collections.abc import Callable, Sequence
from typing import TypeVar, final, overload

T = TypeVar("T")


@final
class OnDemand(Sequence[T]):
    """`length` items, of which item i is `make(i)`; `make` gives equal items for equal indices."""

    def __init__(self, make: Callable[[int], T], *, length: int) -> None:
        self._make = make
        self._indices = range(length)

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> "OnDemand[T]": ...
    def __getitem__(self, index: "int | slice") -> "T | OnDemand[T]":
        if isinstance(index, slice):
            indices = self._indices[index]
            return OnDemand(lambda i: self._make(indices[i]), length=len(indices))
        return self._make(self._indices[index])
