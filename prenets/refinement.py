"""What is done to frames once all of an utterance are there. p pieces, t frames, f mel bands, c channels"""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn


@final
class Refinement(nn.Module):
    """Convolutions over the frames of whole utterances, whose answer is added to them (Tacotron 2, arXiv:1712.05884).

    Each piece is refined as if it stood alone; the released models' convolutions read on into the padding. Where they
    are `normalised`, over the batch, a piece that learns hears the others.
    """

    def __init__(
        self,
        num_bands: int,
        *,
        width: int = 256,
        num_layers: int = 5,
        kernel: int = 5,
        dropout: float = 0.0,
        normalised: bool = False,
    ):
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"kernel: is odd, so that no frame is shifted, not {kernel}")
        widths = [num_bands, *[width] * (num_layers - 1), num_bands]
        self.layers = nn.ModuleList(
            nn.Conv1d(*sizes, kernel, padding=(kernel - 1) // 2, bias=not normalised)
            for sizes in zip(widths[:-1], widths[1:], strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) if normalised else nn.Identity() for size in widths[1:])
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Float[Tensor, "p t f"], inside: Bool[Tensor, "p t"]) -> Float[Tensor, "p t f"]:
        x: Float[Tensor, "p c t"] = frames.transpose(1, 2)
        real, last = inside[:, None].to(frames.dtype), len(self.layers) - 1
        for place, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = norm(layer(x * real))
            x = self.dropout(x if place == last else torch.tanh(x))
        return frames + x.transpose(1, 2)
