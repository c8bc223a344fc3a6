"""Marian: post-norm, sinusoids, one vocabulary or two (Junczys-Dowmunt et al. 2018, 1804.00344)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions.bart_body import BartBody, Variant


@final
class Marian(BartBody):
    """The translators of OPUS-MT.

    Their files may hold the table of sinusoids; ours are computed.
    """

    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        shared = theirs["share_encoder_decoder_embeddings"]
        return Variant(
            position={"class": "unimodal.positions.sine_cosine.SineCosine"},
            learned=False,
            pre_norm=False,
            embedding_norm=False,
            output_bias=True,
            own_target=None if shared else theirs["decoder_vocab_size"],
        )
