"""Two linear maps around an activation (Vaswani et al. 2017, 1706.03762)."""

from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from unimodal.activations import Activation
from unimodal.feedforwards import FeedForward


@final
class Dense(FeedForward):
    """`down(activation(up(x)))`."""

    def __init__(
        self, dim: int, *, hidden: int, activation: Activation, bias: bool = True, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.up = nn.Linear(dim, hidden, bias=bias)
        self.down = nn.Linear(hidden, dim, bias=bias)
        self.activation = activation
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t d"]:
        hidden = self.activation(self.up(x))
        out: Tensor = self.down(self.dropout(hidden) if self.training else hidden)
        return out
