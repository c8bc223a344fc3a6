"""Products that a recorded program leaves to a library: called by the weight that they are of, wherever it lies.

A library's kernels read copies of weights in an order of their own, which no recorded program can hold. So a program
holds the call alone, and the copy is found by the weight's place in memory.

n tokens, d width
"""

from abc import ABC, abstractmethod
from weakref import WeakValueDictionary

import torch
from jaxtyping import Shaped
from torch import Tensor

_FOUND_BY_PLACE: "WeakValueDictionary[int, Multiplier]" = WeakValueDictionary()


class Multiplier(ABC):
    """Multiplies by a weight, from what a library made of it. Lives as long as the module whose weight it is."""

    @abstractmethod
    def multiply(self, x: Shaped[Tensor, "*n d"]) -> Shaped[Tensor, "*n out"]:
        """x times the weight, transposed."""


class Recordable(ABC):
    """A module that recorded programs see through to its weight, though it multiplies by a copy."""

    @abstractmethod
    def prepare_recording(self) -> None:
        """Puts the weight among the module's parameters or buffers as it is now, and offers a multiplier for it.

        Called before every use of recordings. Raises ValueError that names what cannot be recorded.
        """


def offer(multiplier: Multiplier, weight: Tensor) -> None:
    """Recorded products with this weight are the multiplier's from here on.

    It must hold the weight: while it does, no other tensor can come to lie in its place.
    """
    _FOUND_BY_PLACE[weight.data_ptr()] = multiplier


def recorded_product(x: Shaped[Tensor, "*n d"], weight: Shaped[Tensor, "out d"]) -> Shaped[Tensor, "*n out"]:
    """x times the weight, transposed, in float32 and by the weight's multiplier: one call of a program."""
    product: Tensor = torch.ops.unimodal.product(x, weight)
    return product


def _multiply(x: Tensor, weight: Tensor) -> Tensor:
    found = _FOUND_BY_PLACE.get(weight.data_ptr())
    assert found is not None, "a recorded program was lent a weight that no module has offered a multiplier for"
    return found.multiply(x)


def _shape(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], weight.shape[0])


_LIBRARY = torch.library.Library("unimodal", "FRAGMENT")
_LIBRARY.define("product(Tensor x, Tensor weight) -> Tensor")
_LIBRARY.impl("product", _multiply, "CPU")
_LIBRARY.impl("product", _shape, "Meta")
