"""T5Gemma: two widths and vocabularies, windows shorter than the input, caps that bite, tied and untied."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import PreTrainedModel, T5GemmaConfig, T5GemmaForConditionalGeneration

from tests.parity.case import Inputs, ParityCase, mask, randomise, saved_config

SHARED = {
    "head_dim": 6,
    "sliding_window": 4,
    "query_pre_attn_scalar": 9,
    "attn_logit_softcapping": 3.0,
    "final_logit_softcapping": 5.0,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "bos_token_id": 2,
}
ENCODER = {
    **SHARED,
    "vocab_size": 53,
    "hidden_size": 24,
    "intermediate_size": 20,
    "num_hidden_layers": 5,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
}
DECODER = {
    **SHARED,
    "vocab_size": 61,
    "hidden_size": 16,
    "intermediate_size": 28,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
}


def t5gemma(
    *, tied: bool = True, encoder: dict[str, Any] | None = None, decoder: dict[str, Any] | None = None
) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = T5GemmaConfig(
            encoder={**ENCODER, **(encoder or {})},
            decoder={**DECODER, **(decoder or {})},
            vocab_size=61,
            tie_word_embeddings=tied,
            attn_implementation="eager",  # their other kernels leave the caps out
        )
        model = T5GemmaForConditionalGeneration(config)
        randomise(model)
        for name, weight in model.named_parameters():
            if "norm" in name:
                weight.data -= 1  # they add 1
        return model.eval(), saved_config(config)

    return make


def tokens() -> Inputs:
    source, target = mask([17, 7, 1]), mask([5, 13, 1])
    return {
        "input_ids": torch.randint(4, 53, source.shape),
        "attention_mask": source,
        "decoder_input_ids": torch.randint(4, 61, target.shape),
        "decoder_attention_mask": target,
    }


def prompts() -> Inputs:
    source = mask([19, 7, 3])
    return {"input_ids": torch.randint(4, 53, source.shape), "attention_mask": source}


FULL_FIRST = {"layer_types": ["full_attention", "sliding_attention", "sliding_attention"]}
PLAIN = {"attn_logit_softcapping": None, "final_logit_softcapping": None, "attention_bias": True}
CASES = [
    ParityCase(name="t5gemma", make=t5gemma(), inputs=tokens, prompts=prompts),
    ParityCase(
        name="t5gemma_untied",
        make=t5gemma(
            tied=False, decoder={**FULL_FIRST, "rope_parameters": {"rope_type": "default", "rope_theta": 50.0}}
        ),
        inputs=tokens,
        prompts=prompts,
    ),
    ParityCase(name="t5gemma_uncapped", make=t5gemma(encoder=PLAIN, decoder=PLAIN), inputs=tokens, prompts=prompts),
]
