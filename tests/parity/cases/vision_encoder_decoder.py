"""TrOCR: encoders as wide as the decoder or not, bridged or not, positions learned or computed."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    DeiTModel,
    PreTrainedModel,
    TrOCRConfig,
    TrOCRForCausalLM,
    VisionEncoderDecoderConfig,
    VisionEncoderDecoderModel,
    ViTModel,
)

from tests.parity.case import Inputs, ParityCase, States, mask, randomise, saved_config, states
from tests.parity.cases.vit import pictures, vision_config
from unimodal.model import UnimodalForConditionalGeneration

ENCODERS = {"vit": ViTModel, "deit": DeiTModel}
SPECIAL = {"decoder_start_token_id": 2, "pad_token_id": 1, "eos_token_id": 2}


def trocr(*, encoder: str = "vit", pooled: bool = False, **settings: Any) -> Callable[..., Any]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        read = ENCODERS[encoder](vision_config(encoder), add_pooling_layer=pooled)
        written = TrOCRForCausalLM(
            TrOCRConfig(
                **{"d_model": 16, **settings},
                vocab_size=61,
                decoder_layers=2,
                decoder_attention_heads=2,
                decoder_ffn_dim=20,
                max_position_embeddings=40,
                dropout=0.0,
            )
        )
        config = VisionEncoderDecoderConfig.from_encoder_decoder_configs(read.config, written.config, **SPECIAL)
        model = VisionEncoderDecoderModel(config, encoder=read, decoder=written)
        randomise(model)
        return model.eval(), saved_config(config)

    return make


def pictures_and_text() -> Inputs:
    """Padded as a tokenizer pads, since their sinusoids are counted by the ids and not by the mask."""
    written = mask([11, 4])
    ids = torch.randint(4, 61, written.shape)
    return {
        **pictures(),
        "decoder_input_ids": torch.where(written.bool(), ids, SPECIAL["pad_token_id"]),
        "decoder_attention_mask": written,
        "labels": torch.where(written.bool(), ids.roll(-1, 1), -100),
    }


def run_their_sides(model: PreTrainedModel, inputs: Inputs) -> States:
    return _sides(model(**inputs, output_hidden_states=True, use_cache=False))


def run_our_sides(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    return _sides(model(**inputs, output_hidden_states=True))


def _sides(output: Any) -> States:
    rest = {"logits": output.logits, "loss": output.loss[None], "memory": output.encoder_last_hidden_state}
    return states(output.encoder_hidden_states, output.decoder_hidden_states, **rest)


def case(name: str, **settings: Any) -> ParityCase:
    return ParityCase(
        name=name,
        make=trocr(**settings),
        inputs=pictures_and_text,
        theirs=run_their_sides,
        ours=run_our_sides,
        prompts=pictures,
    )


CASES = [
    case("trocr_equal_widths", scale_embedding=True, activation_function="relu"),
    case(
        "trocr_bridged_sinusoidal",
        d_model=12,
        use_learned_position_embeddings=False,
        layernorm_embedding=False,
        tie_word_embeddings=False,
    ),
    case("trocr_deit_read_as_it_is", encoder="deit", pooled=True, d_model=12, cross_attention_hidden_size=16),
]
