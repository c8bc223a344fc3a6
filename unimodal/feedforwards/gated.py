"""A linear map gated by another (Shazeer 2020, 2002.05202)."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.activations import Activation
from unimodal.feedforwards import FeedForward


@final
class Gated(FeedForward):
    """`down(activation(gate(x)) * up(x))`."""

    same_input = (("gate", "up"),)

    def __init__(
        self, dim: int, *, hidden: int, activation: Activation, bias: bool = False, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.gate = nn.Linear(dim, hidden, bias=bias)
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, dim, bias=bias)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        hidden = self.activation(self.gate(x)) * self.up(x)
        out: Tensor = self.down(self.dropout(hidden) if self.training else hidden)
        return out
