"""Makes what was written already less likely.

b rows, v vocabulary, t tokens so far
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import pad

from unimodal.guides import NOTHING
from unimodal.guides.history import HistoryGuide


@final
class RepetitionGuide(HistoryGuide):
    """Divides the positive and multiplies the negative logits of tokens already written by 1 + `strength`.

    The repetition penalty of CTRL (Keskar et al., 2019, arXiv:1909.05858), whose theta is 1 + strength. The paper
    divides every logit; we multiply negative ones, as transformers does, since dividing would make them likelier.
    A strength between -1 and 0 makes them likelier instead.
    """

    def __init__(self, *, strength: float):
        if not strength > -1:
            raise ValueError(f"strength: expected a number above -1, got {strength}")
        self._theta = 1 + strength

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        tokens = torch.where(state == NOTHING, logits.shape[-1], state)
        room = pad(logits, (0, 1))  # one more column, for padding of a prompt
        written = room.gather(1, tokens)
        return room.scatter(1, tokens, torch.where(written > 0, written / self._theta, written * self._theta))[:, :-1]
