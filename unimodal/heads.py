"""Heads: hidden states -> scores over the token space. Text's post-net, shared by every task that writes tokens."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from unimodal.activations import Activation
from unimodal.norms import Norm

Score = Callable[[Tensor, Tensor | None], Tensor]
"""Hidden states [*batch, d], a bias [v] or None -> scores [*batch, v]: the model's token table, read backwards."""


class Head(nn.Module, ABC):
    """Constructed with the width `dim` and the size of the token space `tokens`."""

    @abstractmethod
    def forward(self, hidden: Float[Tensor, "*batch d"], score: Score) -> Float[Tensor, "*batch v"]:
        """Logits; `score` is lent by the model's token table."""


@final
class TiedHead(Head):
    """The token table read backwards (Press and Wolf 2017, 1608.05859); T5 scales the hidden states by 1/sqrt(dim)."""

    def __init__(self, dim: int, tokens: int, *, scale: float = 1.0, bias: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.bias = nn.Parameter(torch.zeros(tokens)) if bias else None

    def forward(self, hidden: Float[Tensor, "*batch d"], score: Score) -> Float[Tensor, "*batch v"]:
        return score(hidden if self.scale == 1 else hidden * self.scale, self.bias)


@final
class NoHead(Head):
    """No scores: of a body that is read for its hidden states, the logits are empty."""

    def __init__(self, dim: int, tokens: int) -> None:
        super().__init__()

    def forward(self, hidden: Float[Tensor, "*batch p"], score: Score) -> Float[Tensor, "*batch 0"]:
        return hidden[..., :0]


@final
class LabelHead(Head):
    """A linear map onto labels that are no tokens: a classifier's, behind a pooler."""

    def __init__(self, dim: int, tokens: int, *, labels: int) -> None:
        super().__init__()
        self.project = nn.Linear(dim, labels)

    def forward(self, hidden: Float[Tensor, "*batch p"], score: Score) -> Float[Tensor, "*batch c"]:
        logits: Tensor = self.project(hidden)
        return logits


@final
class OwnHead(Head):
    """A linear map of its own."""

    def __init__(self, dim: int, tokens: int, *, bias: bool = False) -> None:
        super().__init__()
        self.project = nn.Linear(dim, tokens, bias=bias)

    def forward(self, hidden: Float[Tensor, "*batch d"], score: Score) -> Float[Tensor, "*batch v"]:
        logits: Tensor = self.project(hidden)
        return logits


@final
class Transformed(Head):
    """Another head behind a linear map, an activation and a norm (BERT's masked language model)."""

    def __init__(
        self,
        dim: int,
        tokens: int,
        *,
        head: Callable[[int, int], Head],
        activation: Activation,
        norm: Callable[[int], Norm],
    ) -> None:
        super().__init__()
        self.transform = nn.Linear(dim, dim)
        self.activation = activation
        self.norm = norm(dim)
        self.head = head(dim, tokens)

    def forward(self, hidden: Float[Tensor, "*batch d"], score: Score) -> Float[Tensor, "*batch v"]:
        logits: Tensor = self.head(self.norm(self.activation(self.transform(hidden))), score)
        return logits


@final
class Capped(Head):
    """The logits of another head, bent into (-cap, cap) by a hyperbolic tangent (Gemma 2, 2408.00118)."""

    def __init__(self, dim: int, tokens: int, *, head: Callable[[int, int], Head], cap: float) -> None:
        super().__init__()
        if cap <= 0:
            raise ValueError(f"cap: logits are capped at a number above 0, not {cap}")
        self.head = head(dim, tokens)
        self.cap = cap

    def forward(self, hidden: Float[Tensor, "*batch d"], score: Score) -> Float[Tensor, "*batch v"]:
        return torch.tanh(self.head(hidden, score) / self.cap) * self.cap
