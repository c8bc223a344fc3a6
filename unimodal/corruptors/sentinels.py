"""Only what was hidden is written: each span behind the mark that stands for it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch

from unimodal.corruptors import Corruption, Corruptor
from unimodal.vocabulary import Vocabulary


@final
class Sentinels(Corruptor):
    """Span corruption (T5, Raffel et al. 2020, arXiv:1910.10683).

    `share` of the tokens are hidden in spans of `mean_length` on average, cut at random as the paper's code does, so
    that a text begins with what stays and ends with what is hidden. Span i is `sentinel i` in the source; the target
    has the sentinels in turn, each followed by its span, and one more at its end where the vocabulary has one left.
    """

    def __init__(self, vocabulary: Vocabulary, *, share: float = 0.15, mean_length: float = 3.0) -> None:
        if not 0 < share < 1 or mean_length < 1:
            raise ValueError("share, mean_length: expected a share between 0 and 1, and a length of 1 or more")
        self.marks = list(vocabulary.space.ids("sentinel"))
        self.share, self.mean_length = share, mean_length

    def corrupt(self, ids: Sequence[int], generator: torch.Generator) -> Corruption:
        text = list(ids)
        if set(text) & set(self.marks):
            raise ValueError("the text holds marks of what is hidden")
        if len(text) < 2:
            return Corruption(text, [], [])
        hidden = min(max(round(self.share * len(text)), 1), len(text) - 1)
        spans = min(max(round(hidden / self.mean_length), 1), len(text) - hidden, len(self.marks))
        source: list[int] = []
        target: list[int] = []
        read = 0
        kept_hidden = zip(_parts(len(text) - hidden, spans, generator), _parts(hidden, spans, generator), strict=True)
        for mark, (kept, lost) in zip(self.marks, kept_hidden, strict=False):
            source += [*text[read : read + kept], mark]
            target += [mark, *text[read + kept : read + kept + lost]]
            read += kept + lost
        target += self.marks[spans : spans + 1]
        return Corruption(source, target, [True] * len(target))

    def restore(self, source: Sequence[int], target: Sequence[int]) -> list[int]:
        spans: dict[int, list[int]] = {}
        span: list[int] = []
        for token in target:
            if token in self.marks:
                span = spans.setdefault(token, [])
            else:
                span.append(token)
        return [token for read in source for token in (spans.get(read, []) if read in self.marks else [read])]


def _parts(size: int, number: int, generator: torch.Generator) -> list[int]:
    """A length cut at random into parts of 1 at least."""
    cuts = (torch.randperm(size - 1, generator=generator)[: number - 1] + 1).sort().values.tolist()
    return [end - begin for begin, end in pairwise((0, *cuts, size))]
