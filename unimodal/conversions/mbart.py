"""mBART: BART over many languages, pre-norm (Liu et al. 2020, 2001.08210)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions.bart_body import BartBody, Variant, learned_positions


@final
class MBart(BartBody):
    """mBART and mBART-50: a token names each side's language."""

    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        return Variant(
            position=learned_positions(theirs), learned=True, pre_norm=True, embedding_norm=True, output_bias=True
        )
