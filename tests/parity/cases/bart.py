"""BART and its relatives: pre-norm and post-norm, learned positions and sinusoids, one table of tokens to three."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import (
    BartConfig,
    BartForConditionalGeneration,
    M2M100Config,
    M2M100ForConditionalGeneration,
    MarianConfig,
    MarianMTModel,
    MBartConfig,
    MBartForConditionalGeneration,
    PegasusConfig,
    PegasusForConditionalGeneration,
    PreTrainedModel,
)

from tests.parity.case import Inputs, ParityCase, mask, randomise, saved_config, token_prompts, tokens

SIZES = {
    "vocab_size": 61,
    "d_model": 16,
    "encoder_layers": 3,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 24,
    "decoder_layers": 2,
    "decoder_attention_heads": 4,
    "decoder_ffn_dim": 20,
    "max_position_embeddings": 64,
}
Make = Callable[[], tuple[PreTrainedModel, dict[str, Any]]]


def made(
    model_class: type[PreTrainedModel], config_class: type, *, generation: dict[str, Any], **settings: Any
) -> Make:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = config_class(**{**SIZES, **settings})
        model = model_class(config)
        fixed = {name: weight.clone() for name, weight in model.named_parameters() if not weight.requires_grad}
        randomise(model)
        with torch.no_grad():
            for name, weight in fixed.items():
                model.get_parameter(name).copy_(weight)
            for name, buffer in model.named_buffers():
                if name == "final_logits_bias":  # zeros in what most authors publish, but a place for weights
                    nn.init.normal_(buffer)
            for name, table in model.named_parameters():
                if name.endswith(("embed_tokens.weight", "shared.weight", "lm_head.weight")):
                    table[config.pad_token_id] = 0  # as trained: nobody reads or writes it
        model.generation_config.update(**generation)
        return model.eval(), saved_config(config)

    return make


def source_tokens() -> Inputs:
    """For a source vocabulary that is larger than the target's."""
    inputs = dict(tokens())
    return {**inputs, "input_ids": torch.randint(4, 83, inputs["input_ids"].shape)}


def source_prompts() -> Inputs:
    source = mask([19, 7, 3])
    return {"input_ids": torch.randint(4, 83, source.shape), "attention_mask": source}


def case(name: str, make: Make, **changes: Any) -> ParityCase:
    return ParityCase(**{"name": name, "make": make, "inputs": tokens, "prompts": token_prompts, **changes})


# What their generation configs hold; n-grams are not repeated, or random models write the same token for ever.
ITS_OWN_BEAMS = ({"num_beams": 1}, {})
BEAMS = {"num_beams": 4, "no_repeat_ngram_size": 3}
TRANSLATION = {"bad_words_ids": [[60]], "forced_eos_token_id": 0, "no_repeat_ngram_size": 2}
MARIAN = {
    "activation_function": "swish",
    "scale_embedding": True,
    "pad_token_id": 60,
    "eos_token_id": 0,
    "decoder_start_token_id": 60,
}
TWO_VOCABULARIES = {"vocab_size": 83, "decoder_vocab_size": 61, "share_encoder_decoder_embeddings": False}
CASES = [
    case(
        "bart",
        made(
            BartForConditionalGeneration,
            BartConfig,
            generation={
                **BEAMS,
                "forced_bos_token_id": 0,
                "length_penalty": 2.0,
                "min_length": 8,
                "early_stopping": True,
            },
        ),
        decodings=ITS_OWN_BEAMS,
    ),
    case(
        "bart_untied_scaled",
        made(
            BartForConditionalGeneration,
            BartConfig,
            generation={"no_repeat_ngram_size": 2},
            tie_word_embeddings=False,
            scale_embedding=True,
            activation_function="gelu_new",
        ),
    ),
    case(
        "mbart",
        made(
            MBartForConditionalGeneration,
            MBartConfig,
            generation={"forced_bos_token_id": 7, "forced_eos_token_id": 2, "no_repeat_ngram_size": 2},
            scale_embedding=True,
            activation_function="relu",
            decoder_start_token_id=2,
        ),
    ),
    case("marian", made(MarianMTModel, MarianConfig, generation=TRANSLATION, **MARIAN)),
    case(
        "marian_two_vocabularies",
        made(MarianMTModel, MarianConfig, generation=TRANSLATION, **{**MARIAN, **TWO_VOCABULARIES}),
        inputs=source_tokens,
        prompts=source_prompts,
    ),
    case(
        "marian_two_vocabularies_untied",
        made(
            MarianMTModel,
            MarianConfig,
            generation=TRANSLATION,
            tie_word_embeddings=False,
            **{**MARIAN, **TWO_VOCABULARIES},
        ),
        inputs=source_tokens,
        prompts=source_prompts,
    ),
    case(
        "pegasus",
        made(
            PegasusForConditionalGeneration,
            PegasusConfig,
            generation={**BEAMS, "length_penalty": 0.8, "forced_eos_token_id": 1},
            scale_embedding=True,
            activation_function="relu",
        ),
        decodings=ITS_OWN_BEAMS,
    ),
    case(
        "m2m_100",
        made(
            M2M100ForConditionalGeneration,
            M2M100Config,
            generation={**BEAMS, "forced_bos_token_id": 9, "early_stopping": True},
        ),
        decodings=ITS_OWN_BEAMS,
    ),
    case(
        "m2m_100_unscaled_untied",
        made(
            M2M100ForConditionalGeneration,
            M2M100Config,
            generation={"no_repeat_ngram_size": 2},
            scale_embedding=False,
            tie_word_embeddings=False,
        ),
    ),
]
