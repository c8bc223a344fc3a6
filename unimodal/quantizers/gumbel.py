"""Entries by a softmax with noise, whose largest weight is made 1.

n states, d width, g groups, v entries of a group
"""

from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.quantizers import Quantizer


@final
class Gumbel(Quantizer):
    """A Gumbel softmax straight through (Jang et al. 2017, arXiv:1611.01144), group by group, as wav2vec 2.0 has it.

    A state is the entries of its groups side by side (Baevski et al. 2020, arXiv:2006.11477). The temperature falls
    from `hottest` to `coolest` by a factor of `cooling` with each call in training. `unevenness` is that of the
    released code, (g v - the perplexities' sum) / (g v), from the mean of the softmax over all states without noise.
    """

    def __init__(
        self,
        dim: int,
        *,
        groups: int = 2,
        entries: int = 100,
        hottest: float = 2.0,
        coolest: float = 0.5,
        cooling: float = 0.999995,
    ) -> None:
        super().__init__()
        if dim % groups:
            raise ValueError(f"groups: a width of {dim} does not divide into {groups}")
        if not (0 < coolest <= hottest and 0 < cooling <= 1):
            raise ValueError("hottest, coolest, cooling: expected temperatures that fall, and a factor from 0 to 1")
        self.groups, self.hottest, self.coolest, self.cooling = groups, hottest, coolest, cooling
        self.score = nn.Linear(dim, groups * entries)
        self.table = nn.Embedding(groups * entries, dim // groups)
        self.updates: Tensor
        self.register_buffer("updates", torch.zeros((), dtype=torch.long))

    @property
    def temperature(self) -> float:
        """Of the next call in training."""
        return max(self.hottest * self.cooling ** int(self.updates), self.coolest)

    def forward(self, states: Float[Tensor, "n d"]) -> Float[Tensor, "n d"]:
        scores = self._scores(states)
        if self.training:
            weights = functional.gumbel_softmax(scores.float(), tau=self.temperature, hard=True)
            self.updates += 1
        else:
            weights = functional.one_hot(scores.argmax(-1), scores.shape[-1])
        entries = self.table.weight.unflatten(0, (self.groups, -1))
        return torch.einsum("ngv,gvd->ngd", weights.to(entries.dtype), entries).flatten(1)

    def codes(self, states: Float[Tensor, "n d"]) -> Int[Tensor, "n g"]:
        return self._scores(states).argmax(-1)

    def unevenness(self, states: Float[Tensor, "n d"]) -> Float[Tensor, ""]:
        shares = self._scores(states).float().softmax(-1).mean(0)
        perplexities = torch.special.entr(shares).sum(-1).exp()
        unevenness: Tensor = 1 - perplexities.sum() / shares.numel()
        return unevenness

    def _scores(self, states: Float[Tensor, "n d"]) -> Float[Tensor, "n g v"]:
        scores: Tensor = self.score(states).unflatten(-1, (self.groups, -1))
        return scores
