"""Residuals: how a sublayer's answer joins the stream, and where the norm stands."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.norms import Norm

Sublayer = Callable[[Tensor], Tensor]


class Residual(nn.Module, ABC):
    """One sublayer's place in the stream; it owns the norm and the dropout, never the sublayer."""

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
        added: Tensor = x + self.dropout(sublayer(self.norm(x)))
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
        added: Tensor = x + self.dropout(self.after(sublayer(self.before(x))))
        return added


@final
class PostNorm(Residual):
    """`norm(x + sublayer(x))` (BART, SpeechT5)."""

    def __init__(self, dim: int, *, norm: Callable[..., Norm], dropout: float = 0.0) -> None:
        super().__init__()
        self.norm = norm(dim)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"], sublayer: Sublayer) -> Float[Tensor, "b t d"]:
        normed: Tensor = self.norm(x + self.dropout(sublayer(x)))
        return normed
