"""BART: post-norm, learned positions, normalised embeddings (Lewis et al. 2019, 1910.13461)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions.bart_body import BartBody, Variant, learned_positions


@final
class Bart(BartBody):
    """BART, and what was trained or distilled from it for summaries."""

    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        return Variant(
            position=learned_positions(theirs), learned=True, pre_norm=False, embedding_norm=True, output_bias=True
        )
