"""Spans of neighbouring entries that are hidden together.

p pieces, l entries of a piece
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor


def draw_spans(
    entries: Int[Tensor, " p"], time: int, *, share: float, span: int, least: int = 0
) -> Bool[Tensor, "p {time}"]:
    """Which of `time` entries stand in a span, drawn from torch's random state; none behind a piece's `entries`.

    wav2vec 2.0 (Baevski et al. 2020, arXiv:2006.11477): so many spans of `span` entries as would fill `share` of a
    piece if they never met, which they do. A piece has `least` spans at least, but none where it is shorter than a
    span.
    """
    hidden = torch.zeros(len(entries), time, dtype=torch.bool)
    for row, length in enumerate(entries.tolist()):
        places = max(length - span + 1, 0)
        asked = int(share * length / span + float(torch.rand(())))
        for start in torch.randperm(places)[: max(asked, least)].tolist():
            hidden[row, start : start + span] = True
    return hidden.to(entries.device)
