"""What drawing may leave out beside the top k and the top p: rules on one distribution.

b rows, v vocabulary
"""

import math
from abc import ABC, abstractmethod
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Cut(ABC):
    """Laws: the likeliest token is kept (by `Typical`, the most typical); a row depends on its own logits only."""

    @abstractmethod
    def kept(self, logits: Float[Tensor, "b v"]) -> Bool[Tensor, "b v"]:
        """The tokens that may be drawn."""


def _within(name: str, value: float) -> float:
    if not 0 < value < 1:
        raise ValueError(f"{name}: must lie between 0 and 1, not {value}")
    return value


@final
class Share(Cut):
    """Keeps tokens of at least `least` times the chance of the likeliest (min-p, Nguyen et al., 2024, 2407.01082)."""

    def __init__(self, least: float) -> None:
        self.least = _within("least", least)

    def kept(self, logits: Float[Tensor, "b v"]) -> Bool[Tensor, "b v"]:
        chances = logits.softmax(-1)
        return chances >= self.least * chances.amax(-1, keepdim=True)


@final
class Typical(Cut):
    """Keeps the tokens whose surprise is nearest to the entropy, up to a `mass` (Meister et al., 2022, 2202.00666)."""

    def __init__(self, mass: float) -> None:
        self.mass = _within("mass", mass)

    def kept(self, logits: Float[Tensor, "b v"]) -> Bool[Tensor, "b v"]:
        log_chances = logits.log_softmax(-1)
        distance = (-log_chances - _entropy(log_chances)).abs()
        ordered, order = distance.sort(dim=-1)
        short = (log_chances.exp().gather(-1, order).cumsum(-1) < self.mass).sum(-1, keepdim=True)
        return distance <= ordered.gather(-1, short.clamp(max=logits.shape[-1] - 1))


@final
class Epsilon(Cut):
    """Keeps the likeliest token and those of at least a chance (Hewitt et al., 2022, 2210.15191)."""

    def __init__(self, chance: float) -> None:
        self.chance = _within("chance", chance)

    def kept(self, logits: Float[Tensor, "b v"]) -> Bool[Tensor, "b v"]:
        return (logits.softmax(-1) >= self.chance) | (logits >= logits.amax(-1, keepdim=True))


@final
class Eta(Cut):
    """As `Epsilon`, with a lower bar where the distribution is flat (Hewitt et al., 2022, 2210.15191)."""

    def __init__(self, chance: float) -> None:
        self.chance = _within("chance", chance)

    def kept(self, logits: Float[Tensor, "b v"]) -> Bool[Tensor, "b v"]:
        log_chances = logits.log_softmax(-1)
        bar = (math.sqrt(self.chance) * torch.exp(-_entropy(log_chances))).clamp(max=self.chance)
        return (log_chances.exp() >= bar) | (logits >= logits.amax(-1, keepdim=True))


def _entropy(log_chances: Float[Tensor, "b v"]) -> Float[Tensor, "b 1"]:
    entropy: Tensor = -(log_chances * log_chances.exp()).nansum(-1, keepdim=True)
    return entropy
