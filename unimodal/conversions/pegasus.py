"""Pegasus: pre-norm, sinusoids (Zhang et al. 2019, 1912.08777)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions.bart_body import BartBody, Variant


@final
class Pegasus(BartBody):
    """Writers of summaries. Their files may hold the table of sinusoids; ours are computed."""

    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        return Variant(
            position={"class": "unimodal.positions.sine_cosine.SineCosine"},
            learned=False,
            pre_norm=True,
            embedding_norm=False,
            output_bias=True,
        )
