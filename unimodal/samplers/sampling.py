"""Tokens drawn by chance, from a distribution that may be sharpened and cut."""

from collections.abc import Collection, Sequence
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.samplers import Sampler, Search
from unimodal.samplers.cuts import Cut
from unimodal.samplers.independent import IndependentSearch


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

    def search(self, examples: int, *, ends: Collection[int], limit: int) -> Search:
        generators: dict[torch.device, torch.Generator] = {}

        def pick(logits: Tensor) -> Tensor:
            device = logits.device
            if device not in generators:
                generators[device] = torch.Generator(device).manual_seed(self.seed)
            probabilities = self.warp(logits).softmax(-1)
            return torch.multinomial(probabilities, 1, generator=generators[device])[:, 0]

        return IndependentSearch(examples, ends=ends, limit=limit, pick=pick, answers=self.num_answers)

    def warp(self, logits: Float[Tensor, "b v"]) -> Float[Tensor, "b v"]:
        """The scores that are drawn from; -inf where cut."""
        logits = logits / self.temperature
        if 0 < self.top_k < logits.shape[-1]:
            lowest = logits.topk(self.top_k, dim=-1).values[:, -1:]
            logits = logits.masked_fill(logits < lowest, -torch.inf)
        if self.top_p < 1:
            ordered, order = logits.sort(dim=-1, descending=True)
            before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
            cut = torch.zeros_like(before, dtype=torch.bool).scatter(1, order, before >= self.top_p)
            logits = logits.masked_fill(cut, -torch.inf)
        for rule in self.cuts:
            logits = logits.masked_fill(~rule.kept(logits), -torch.inf)
        return logits
