"""What stands in the place of entries that a model is not shown.

p pieces, l entries, d width
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.spans import draw_spans


@final
class SpanMasking(nn.Module):
    """Puts one learned vector in the place of entries: of those that it is told, or of random spans in training.

    The random ones are those of wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477), see `unimodal.spans`.
    """

    def __init__(self, dim: int, *, share: float = 0.05, span: int = 10, least: int = 2):
        super().__init__()
        self.share, self.span, self.least = share, span, least
        self.vector = nn.Parameter(torch.rand(dim))

    def forward(
        self, x: Float[Tensor, "p l d"], entries: Int[Tensor, " p"], arrays: Mapping[str, Tensor]
    ) -> Float[Tensor, "p l d"]:
        """The array `hidden` [p, l] says which entries; where it is missing, evaluation hides nothing."""
        hidden = arrays.get("hidden")
        if hidden is None:
            if not self.training:
                return x
            hidden = draw_spans(entries, x.shape[1], share=self.share, span=self.span, least=self.least)
        return torch.where(hidden[..., None], self.vector.to(x.dtype), x)


def refuse_hidden(arrays: Mapping[str, Tensor], net: str) -> None:
    """Raises ValueError where entries are to be hidden by a pre-net that has nothing to put there."""
    if "hidden" in arrays:
        raise ValueError(f"{net}: an objective hides entries, but the pre-net has no masking to put in their place")
