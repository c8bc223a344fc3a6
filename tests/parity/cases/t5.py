"""T5 and its kin: ReLU and gated, tied and untied, encoders deeper than decoders, buckets of each block's own."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    PreTrainedModel,
    T5Config,
    T5ForConditionalGeneration,
    UMT5Config,
    UMT5ForConditionalGeneration,
)

from tests.parity.case import ParityCase, randomise, saved_config, token_prompts, tokens

FAMILIES = {
    "t5": (T5Config, T5ForConditionalGeneration),
    "mt5": (MT5Config, MT5ForConditionalGeneration),
    "umt5": (UMT5Config, UMT5ForConditionalGeneration),
}


def t5(*, tied: bool, family: str = "t5", **settings: Any) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        make_config, make_model = FAMILIES[family]
        config = make_config(
            vocab_size=61,
            d_model=16,
            d_kv=4,
            d_ff=24,
            num_heads=3,
            tie_word_embeddings=tied,
            dropout_rate=0.0,
            decoder_start_token_id=0,
            **settings,
        )
        model = make_model(config)
        if not tied:  # transformers 5 ties all the same: give it the head that an untied checkpoint has
            model.lm_head.weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
            model.config.tie_word_embeddings = False  # UMT5 scales what a tied head reads
        randomise(model)
        return model.eval(), saved_config(config, tie_word_embeddings=tied)

    return make


def case(name: str, *, tied: bool, **settings: Any) -> ParityCase:
    return ParityCase(name=name, make=t5(tied=tied, **settings), inputs=tokens, prompts=token_prompts)


GATED = {"feed_forward_proj": "gated-gelu"}
CASES = [
    case("t5_relu_tied", tied=True, num_layers=3, num_decoder_layers=2),
    case("t5_gated_untied", tied=False, num_layers=2, relative_attention_max_distance=20, **GATED),
    case("t5_gated_tied_unscaled", tied=True, num_layers=1, scale_decoder_outputs=False, **GATED),
    case("t5_gated_silu", tied=False, num_layers=1, feed_forward_proj="gated-silu", tie_encoder_decoder=False),
    case("byt5", tied=False, num_layers=3, num_decoder_layers=1, tokenizer_class="ByT5Tokenizer", **GATED),
    case("mt5_untied", tied=False, family="mt5", num_layers=3, num_decoder_layers=2),
    case("mt5_tied", tied=True, family="mt5", num_layers=1),
    case("umt5_untied", tied=False, family="umt5", num_layers=3, num_decoder_layers=2, scalable_attention=True),
    case("umt5_tied", tied=True, family="umt5", num_layers=1),
]
