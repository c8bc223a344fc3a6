"""Tokens drawn by chance, from a distribution that may be sharpened and cut.

b rows, v vocabulary, k candidates
"""

from collections.abc import Collection, Sequence
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from unimodal.samplers import Sampler, Search
from unimodal.samplers.best import find_best
from unimodal.samplers.cuts import Cut
from unimodal.samplers.independent import IndependentSearch

FEW = 128
"""Tokens among which a nucleus is looked for first."""


@final
class Sampling(Sampler):
    """Draws after temperature, then top-k (Fan et al. 2018, 1805.04833), then top-p (Holtzman et al. 2019, 1904.09751).

    `top_k` 0 and `top_p` 1 cut nothing; `cuts` come behind them, in order. The same `seed` draws the same answers for
    the same batch, `num_answers` an example.
    """

    streams = True

    def __init__(
        self,
        *,
        temperature: float = 1.0,
        top_k: int = 0,
        top_p: float = 1.0,
        cuts: Sequence[Cut] = (),
        seed: int = 0,
        num_answers: int = 1,
    ) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature: must be above 0, not {temperature} (use Greedy for the likeliest token)")
        if not 0 < top_p <= 1:
            raise ValueError(f"top_p: must lie in (0, 1], not {top_p}")
        if top_k < 0:
            raise ValueError(f"top_k: must be 0 (off) or more, not {top_k}")
        if num_answers < 1:
            raise ValueError(f"num_answers: must be at least 1, not {num_answers}")
        self.temperature = temperature
        self.top_k = top_k
        self.top_p = top_p
        self.cuts = tuple(cuts)
        self.seed = seed
        self.num_answers = num_answers

    def search(self, examples: int, *, ends: Collection[int], limit: int, scored: bool = True) -> Search:
        generators: dict[torch.device, torch.Generator] = {}

        def pick(logits: Tensor) -> Tensor:
            device = logits.device
            if device not in generators:
                generators[device] = torch.Generator(device).manual_seed(self.seed)
            scores, tokens = self._candidates(logits)
            drawn = draw(scores.softmax(-1), generators[device])
            return tokens.gather(1, drawn[:, None])[:, 0]

        return IndependentSearch(examples, ends=ends, limit=limit, scored=scored, pick=pick, answers=self.num_answers)

    def warp(self, logits: Float[Tensor, "b v"]) -> Float[Tensor, "b v"]:
        """The scores that are drawn from; -inf where cut."""
        scores, tokens = self._candidates(logits)
        return torch.full_like(logits, -torch.inf).scatter(1, tokens, scores)

    def _candidates(self, logits: Float[Tensor, "b v"]) -> tuple[Float[Tensor, "b k"], Int[Tensor, "b k"]]:
        """The scores that are drawn from, -inf where cut, and their tokens: no more than the cuts have to look at."""
        scores = logits / self.temperature
        if 0 < self.top_k < logits.shape[1]:
            scores, tokens = find_best(scores, self.top_k)
        else:
            tokens = torch.arange(logits.shape[1], device=logits.device).expand(logits.shape)
        if self.top_p < 1:
            scores, places = _find_nucleus(scores, self.top_p)
            tokens = tokens.gather(1, places)
        for rule in self.cuts:
            scores = scores.masked_fill(~rule.kept(scores), -torch.inf)
        return scores, tokens


def _find_nucleus(scores: Float[Tensor, "b v"], mass: float) -> tuple[Float[Tensor, "b k"], Int[Tensor, "b k"]]:
    """The highest scores in order, -inf behind those that hold the mass, and where they stand.

    Whole vocabularies are sorted only where the highest few do not hold it, which costs one more transfer to know.
    """
    chances = scores.softmax(-1)
    ordered, places = chances.topk(min(FEW, scores.shape[1]))
    if not (ordered.sum(-1) >= mass).all():
        ordered, places = chances.sort(dim=-1, descending=True)
    before = ordered.cumsum(-1) - ordered
    return scores.gather(1, places).masked_fill(before >= mass, -torch.inf), places


def draw(chances: Float[Tensor, "b k"], generator: torch.Generator) -> Int[Tensor, " b"]:
    """One of the columns of each row, by its chance.

    By the inverse of the sums: `multinomial` draws a number for every column, of which a vocabulary has many.
    """
    sums = chances.cumsum(-1, dtype=torch.float64)
    whole = sums[:, -1:].contiguous()
    point = whole * torch.rand(whole.shape, dtype=whole.dtype, device=whole.device, generator=generator)
    drawn = torch.searchsorted(sums, point, right=True)
    last = torch.searchsorted(sums, whole)  # the last with a chance at all, should the point round to the whole
    return torch.minimum(drawn, last)[:, 0]
