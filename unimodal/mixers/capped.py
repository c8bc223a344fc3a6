"""Soft caps on the scores of an attention (Gemma 2, 2408.00118)."""

from collections.abc import Callable
from typing import final

from jaxtyping import Float
from torch import Tensor

from unimodal.attention import Pattern
from unimodal.caches import LayerCache
from unimodal.hidden import MemoryView
from unimodal.layout import Layout
from unimodal.mixers import Mixer


@final
class Capped(Mixer):
    """Another mixer whose products of queries and keys are bent into (-cap, cap) by a hyperbolic tangent.

    Biases and masks are added after it. No fused kernel of torch does this, so scores are made in full.
    """

    def __init__(self, dim: int, *, mixer: Callable[[int], Mixer], cap: float) -> None:
        super().__init__()
        if cap <= 0:
            raise ValueError(f"cap: scores are capped at a number above 0, not {cap}")
        self.mixer = mixer(dim)
        self.cap = cap

    def forward(
        self,
        x: Float[Tensor, "b t d"],
        layout: Layout,
        pattern: Pattern,
        cache: LayerCache,
        memory: MemoryView | None = None,
    ) -> Float[Tensor, "b t d"]:
        mixed: Tensor = self.mixer(x, layout, pattern.capped(self.cap), cache, memory)
        return mixed
