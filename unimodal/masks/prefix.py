"""The prompt sees itself whole, the answer sees the prompt and what came before (Raffel et al. 2020, 1910.10683)."""

from typing import final

from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout
from unimodal.masks import Mask


@final
class Prefix(Mask):
    """Causal, and every key below the query's `Layout.prefix`."""

    def visible(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"], layout: Layout
    ) -> Bool[Tensor, "#b t s"] | None:
        keys = key_positions[:, None, :]
        return (keys <= query_positions[:, :, None]) | (keys < layout.prefix[:, :, None])
