"""mBART: BART over many languages, pre-norm (Liu et al. 2020, 2001.08210)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions.bart_body import BartBody, Variant, learned_positions


@final
class MBart(BartBody):
    """mBART and mBART-50: a token names each side's language.

    Given labels alone, theirs begin the decoder with the last of them, the language; ours with the config's
    `decoder_start_token_id`, which is the same where that names the language or, as in mBART-50, the end.
    """

    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        return Variant(
            position=learned_positions(theirs), learned=True, pre_norm=True, embedding_norm=True, output_bias=True
        )
