"""Activations by import path: `unimodal.activations.GELU`."""

from abc import ABC, abstractmethod
from typing import final

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


class Activation(ABC):
    """A function of single numbers, without parameters."""

    @abstractmethod
    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        """The function's value, entry by entry."""


@final
class ReLU(Activation):
    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return functional.relu(x)


@final
class GELU(Activation):
    """The exact form, x · Φ(x) (Hendrycks and Gimpel 2016, 1606.08415)."""

    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return functional.gelu(x)


@final
class TanhGELU(Activation):
    """GELU by its tanh approximation (T5 v1.1's `gelu_new`)."""

    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return functional.gelu(x, approximate="tanh")


@final
class Tanh(Activation):
    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return x.tanh()


@final
class SiLU(Activation):
    """x · sigmoid(x)."""

    def __call__(self, x: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
        return functional.silu(x)
