"""The whole text is written again, from one whose spans are a single mark each, however long they were."""

from collections.abc import Sequence
from typing import final

import torch

from unimodal.corruptors import Corruption, Corruptor
from unimodal.vocabulary import Vocabulary


@final
class Infilling(Corruptor):
    """Text infilling (BART, Lewis et al. 2020, arXiv:1910.13461; SpeechT5, Ao et al. 2022, arXiv:2110.07205).

    `share` of the tokens are hidden in spans of a Poisson's lengths, the last one cut to fit; each span is one mark,
    `sentinel 0`, or with probability `random` a token of the text itself. A span of length 0 hides nothing: its mark
    stands between two tokens. Spans never touch, where the released code lets them meet and hides a little less; its
    random tokens come from the whole vocabulary, which in a text of single letters would be no letters.
    """

    def __init__(
        self, vocabulary: Vocabulary, *, share: float = 0.3, mean_length: float = 3.5, random: float = 0.1
    ) -> None:
        if not (0 <= share <= 1 and 0 <= random <= 1 and mean_length >= 1):
            raise ValueError("share, random, mean_length: expected two shares from 0 to 1, and a length of 1 or more")
        self.marks = [vocabulary.space.id("sentinel", 0)]
        self.share, self.mean_length, self.random = share, mean_length, random

    def corrupt(self, ids: Sequence[int], generator: torch.Generator) -> Corruption:
        text = list(ids)
        if self.marks[0] in text:
            raise ValueError(f"the text holds the mark of what is hidden, {self.marks[0]}")
        source: list[int] = []
        read = 0
        for start, length in self._spans(len(text), generator):
            source += [*text[read:start], self._stands_for(text, generator)]
            read = start + length
        return Corruption([*source, *text[read:]], text, [True] * len(text))

    def restore(self, source: Sequence[int], target: Sequence[int]) -> list[int]:
        return list(target)

    def _stands_for(self, text: list[int], generator: torch.Generator) -> int:
        if float(torch.rand((), generator=generator)) >= self.random:
            return self.marks[0]
        return text[int(torch.randint(len(text), (), generator=generator))]

    def _spans(self, size: int, generator: torch.Generator) -> list[tuple[int, int]]:
        """(start, length) from left to right; between two spans stands one token at least."""
        lengths = self._lengths(round(self.share * size), generator)
        gaps = size - sum(lengths)
        # A span stands before one of the tokens that stay, or behind the last: at most one in each such place.
        places = torch.randperm(gaps + 1, generator=generator).tolist()
        spans: list[tuple[int, int]] = []
        hidden = 0
        for place, length in sorted(zip(places, lengths, strict=False)):  # what finds no place is left out
            spans.append((place + hidden, length))
            hidden += length
        return spans

    def _lengths(self, hidden: int, generator: torch.Generator) -> list[int]:
        """Of spans that hide so many tokens together."""
        lengths: list[int] = []
        while hidden > 0:
            drawn = int(torch.poisson(torch.tensor(self.mean_length), generator=generator))
            lengths.append(min(drawn, hidden))
            hidden -= lengths[-1]
        return lengths
