"""A diagonal cross-attention, as the loss of released checkpoints that speak asks for it.

`unimodal.objectives.guided_attention` is what is trained with here. p pieces, l steps, e entries that they read
"""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@final
class Diagonal:
    """How far from the diagonal the first `num_heads` heads of every block look (Tachibana et al. 2017, 1710.08969).

    The mean over steps and entries, times `scale`, as in the released models. -1: all heads but the last.
    """

    def __init__(self, *, num_heads: int = 2, width: float = 0.4, scale: float = 10.0):
        self.num_heads, self.width, self.scale = num_heads, width, scale

    def __call__(
        self, weights: tuple[Tensor, ...], written: Bool[Tensor, "p l"], read: Bool[Tensor, "p e"]
    ) -> Float[Tensor, ""]:
        """`weights` [p, heads, l, e] a block."""
        bound = torch.cat([block[:, : self.num_heads] for block in weights], dim=1)
        down, across = _shares(written)[:, :, None], _shares(read)[:, None]
        far = 1 - torch.exp(-((across - down) ** 2) / (2 * self.width**2))
        real = (written[:, :, None] & read[:, None])[:, None].expand_as(bound)
        return self.scale * (bound * far[:, None])[real].mean()


def _shares(real: Bool[Tensor, "p t"]) -> Float[Tensor, "p t"]:
    """How far through its piece each entry stands, from 0 to below 1."""
    return torch.arange(real.shape[1], device=real.device) / real.sum(1, keepdim=True)
