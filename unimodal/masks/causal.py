"""A position sees itself and what came before it (decoders)."""

from typing import final

from jaxtyping import Bool, Int
from torch import Tensor

from unimodal.layout import Layout
from unimodal.masks import Mask


@final
class Causal(Mask):
    """Keys at positions up to the query's."""

    def visible(
        self, query_positions: Int[Tensor, "#b t"], key_positions: Int[Tensor, "#b s"], layout: Layout
    ) -> Bool[Tensor, "#b t s"] | None:
        return key_positions[:, None, :] <= query_positions[:, :, None]
