"""Residuals: how a sublayer's answer joins the stream, and where the norm stands."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.norms import Norm

Sublayer = Callable[[Tensor], Tensor]


class Residual(nn.Module, ABC):
    """One sublayer's place in the stream; it owns the norm and the dropout, never the sublayer.

    Outside of training dropout is not even called: a step of decoding would spend a twentieth of its calls on it.
    """

    @abstractmethod
    def forward(self, x: Float[Tensor, "b t d"], sublayer: Sublayer) -> Float[Tensor, "b t d"]:
        """The stream after the sublayer."""


@final
class PreNorm(Residual):
    """`x + sublayer(norm(x))` (T5, Llama)."""

    def __init__(self, dim: int, *, norm: Callable[..., Norm], dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = norm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"], sublayer: Sublayer) -> Float[Tensor, "b t d"]:
        out = sublayer(self.norm(x))
        added: Tensor = x + (self.dropout(out) if self.training else out)
        return added


@final
class Sandwich(Residual):
    """`x + after(sublayer(before(x)))`: a norm on either side (Gemma 2; Ding et al. 2021, 2105.13290)."""

    def __init__(self, dim: int, *, norm: Callable[..., Norm], dropout: float = 0.0) -> None:
        super().__init__()
        self.before = norm(dim)
        self.after = norm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"], sublayer: Sublayer) -> Float[Tensor, "b t d"]:
        out: Tensor = self.after(sublayer(self.before(x)))
        added: Tensor = x + (self.dropout(out) if self.training else out)
        return added


@final
class PostNorm(Residual):
    """`norm(x + sublayer(x))` (BART, SpeechT5)."""

    def __init__(self, dim: int, *, norm: Callable[..., Norm], dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = norm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"], sublayer: Sublayer) -> Float[Tensor, "b t d"]:
        out = sublayer(x)
        normed: Tensor = self.norm(x + (self.dropout(out) if self.training else out))
        return normed
