"""Dropout in training and in inference."""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unimodal.prenets.dropouts import Dropout


@final
class AlwaysDropout(Dropout):
    """Noise that training and inference share (Tacotron 2, Shen et al. 2018, arXiv:1712.05884).

    What is written is then a draw: seed torch to draw it again.
    """

    def __init__(self, *, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Float[Tensor, "*shape"], steps: Int[Tensor, "p l"] | None = None) -> Float[Tensor, "*shape"]:
        return functional.dropout(x, self.rate, training=True)
