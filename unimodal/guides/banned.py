"""Keeps words of several tokens from being written.

b rows, v vocabulary, t tokens so far, n words of one length, p tokens of each but the last
"""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.guides.history import HistoryGuide


@final
class BannedGuide(HistoryGuide):
    """Lowers the logit of the token that would complete one of `words` by `strength`, by default to nothing."""

    def __init__(self, words: Sequence[Sequence[int]], *, strength: float = math.inf):
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        if not all(words):
            raise ValueError("words: one of them has no token")
        self._strength = strength
        self._words = [torch.tensor(list(same)) for _, same in groupby(sorted(map(list, words), key=len), key=len)]

    def adjust(self, logits: Float[Tensor, "b v"], state: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        if self._strength == 0:
            return logits
        counts = torch.zeros_like(logits, dtype=torch.long)
        for words in self._words:
            length = words.shape[1]
            if state.shape[1] >= length - 1:
                begun, last = words.to(state.device).split([length - 1, 1], dim=1)
                read = state[:, state.shape[1] - length + 1 :]
                matches = (read[:, None] == begun).all(-1)
                counts.index_add_(1, last[:, 0], matches.long())
        return torch.where(counts > 0, logits - self._strength, logits)
