"""Dropout in training only."""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unimodal.prenets.dropouts import Dropout


@final
class TrainingDropout(Dropout):
    """The usual one (Srivastava et al. 2014): inference draws nothing, so a cached step equals the full pass."""

    def __init__(self, *, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Float[Tensor, "*shape"], steps: Int[Tensor, "p l"] | None = None) -> Float[Tensor, "*shape"]:
        return functional.dropout(x, self.rate, training=self.training)
