"""M2M100 and NLLB: pre-norm, fairseq's sinusoids (Fan et al. 2020, 2010.11125; Costa-jussà et al. 2022, 2207.04672)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions.bart_body import BartBody, Variant


@final
class M2M100(BartBody):
    """Translators between 100 and 200 languages; the first token that is written names the language.

    Positions count from the padding token's id on, as in fairseq. Theirs leave padding tokens out of the count, ours do
    not, which is the same where padding stands at the end.
    """

    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        return Variant(
            position={
                "class": "unimodal.positions.sine_cosine.SineCosine",
                "offset": theirs["pad_token_id"] + 1,
                "inclusive": True,
            },
            learned=False,
            pre_norm=True,
            embedding_norm=False,
            output_bias=False,
        )
