"""T5: ReLU and gated, tied and untied."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import PreTrainedModel, T5Config, T5ForConditionalGeneration

from tests.parity.case import ParityCase, randomise, saved_config, token_prompts, tokens


def t5(*, tied: bool, **settings: Any) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = T5Config(
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
        model = T5ForConditionalGeneration(config)
        if not tied:  # transformers 5 ties all the same: give it the head that an untied checkpoint has
            model.lm_head.weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
        randomise(model)
        return model.eval(), saved_config(config, tie_word_embeddings=tied)

    return make


CASES = [
    ParityCase(
        name="t5_relu_tied",
        make=t5(tied=True, num_layers=3, num_decoder_layers=2),
        inputs=tokens,
        prompts=token_prompts,
    ),
    ParityCase(
        name="t5_gated_untied",
        make=t5(tied=False, num_layers=2, feed_forward_proj="gated-gelu", relative_attention_max_distance=20),
        inputs=tokens,
        prompts=token_prompts,
    ),
]
