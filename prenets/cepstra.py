"""Speech as cepstra: the shape of the spectrum without its pitch, for each entry of the speech pre-net.

p pieces, t frames, f bands, c cepstra, l entries of a piece
"""

import math
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from unimodal.batching import Pieces
from unimodal.entry_features import EntryFeatures


@final
class Cepstra(EntryFeatures):
    """Cosine transform of the log-mel frames (Davis and Mermelstein 1980), with first and second differences.

    The features that HuBERT's first round clusters (Hsu et al. 2021, arXiv:2106.07447); the frames are those that
    `SpeechProcessor` normalises by utterance, and an entry is the mean of the four of them around its place.
    """

    FRAMES = 4
    """Of an entry."""

    def __init__(self, *, num_cepstra: int = 13) -> None:
        self.num_cepstra = num_cepstra

    def __call__(self, pieces: Pieces) -> Float[Tensor, "p l c"]:
        frames: Float[Tensor, "p t f"] = pieces.arrays["features"].float()
        cepstra = frames @ _cosines(frames.shape[-1], self.num_cepstra).to(frames.device)
        first = _differences(cepstra, pieces.lengths)
        values = torch.cat([cepstra, first, _differences(first, pieces.lengths)], dim=-1)
        inside = torch.arange(frames.shape[1], device=frames.device) < pieces.lengths[:, None]
        sums, counts = (
            _around_entries(x, self.FRAMES) for x in (values * inside[..., None], inside[..., None].float())
        )
        return sums / counts.clamp_min(1)


def _cosines(bands: int, number: int) -> Float[Tensor, "f c"]:
    """The first cosines over the bands, each of length 1."""
    places = (torch.arange(bands) + 0.5) * math.pi / bands
    table: Tensor = functional.normalize(torch.cos(places[:, None] * torch.arange(number)), dim=0)
    return table


def _differences(values: Float[Tensor, "p t c"], lengths: Int[Tensor, " p"]) -> Float[Tensor, "p t c"]:
    """The slope of a line through five frames; the first and the last frame of a piece are repeated."""
    steps = torch.arange(values.shape[1], device=values.device)

    def shifted(by: int) -> Tensor:
        places = (steps + by).clamp_min(0).minimum(lengths[:, None] - 1)
        return values.gather(1, places[..., None].expand_as(values))

    return (shifted(1) - shifted(-1) + 2 * (shifted(2) - shifted(-2))) / 10


def _around_entries(values: Float[Tensor, "p t c"], frames: int) -> Float[Tensor, "p l c"]:
    """Sums of the frames around every `frames`-th one: two before it, itself and the one behind."""
    before, entries = frames // 2, -(-values.shape[1] // frames)
    padded = functional.pad(values, (0, 0, before, frames))[:, : entries * frames]
    sums: Tensor = padded.unflatten(1, (-1, frames)).sum(2)
    return sums
