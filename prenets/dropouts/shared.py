"""Dropout in training and in inference, the same for all pieces of a batch. p pieces, l steps, d width"""

from typing import final

from jaxtyping import Float, Int
from torch import Tensor

from unimodal.prenets.dropouts import Dropout


@final
class SharedDropout(Dropout):
    """One draw for the steps of all pieces, as the released SpeechT5 makes it (Ao et al. 2022, arXiv:2110.07205).

    A call draws for every step from the first to the last that it is given, whatever it is given of them: a step that
    is computed alone draws the numbers that it would have drawn at the end of the whole sequence.
    """

    def __init__(self, *, rate: float):
        super().__init__()
        self.rate = rate

    def forward(self, x: Float[Tensor, "*shape"], steps: Int[Tensor, "p l"] | None = None) -> Float[Tensor, "*shape"]:
        drawn = x.shape[-2:] if steps is None else (int(steps.max()) + 1, x.shape[-1])
        kept = x.new_empty(drawn).bernoulli_(1 - self.rate)
        return x * (kept if steps is None else kept[steps]) / (1 - self.rate)
