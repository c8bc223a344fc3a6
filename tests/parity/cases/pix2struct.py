"""Pix2Struct: pictures of several shapes in one batch, tied and untied."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import Pix2StructConfig, Pix2StructForConditionalGeneration, PreTrainedModel

from tests.parity.case import Inputs, ParityCase, States, mask, randomise, saved_config, states
from unimodal.prenets.flattened_patches import FlattenedPatches

PATCH = 2
PICTURES = [(12, 20), (40, 6), (3, 3)]
"""Heights and widths: the three fill their budgets of patches differently."""


def pix2struct(*, tied: bool, **text: Any) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = Pix2StructConfig(
            vision_config={
                "hidden_size": 12,
                "patch_embed_hidden_size": 3 * PATCH**2,
                "d_ff": 20,
                "d_kv": 5,  # not the width over the heads
                "num_hidden_layers": 3,
                "num_attention_heads": 2,
                "seq_len": 24,
            },
            text_config={
                "vocab_size": 61,
                "hidden_size": 12,
                "d_kv": 4,
                "d_ff": 16,
                "num_layers": 2,
                "num_heads": 3,
                "relative_attention_max_distance": 20,
                **text,
            },
            tie_word_embeddings=tied,
        )
        model = Pix2StructForConditionalGeneration(config)
        randomise(model)
        return model.eval(), saved_config(config)

    return make


def pictures() -> Inputs:
    """As ours cuts them, with the mask that transformers' makes: of floats."""
    extract = FlattenedPatches(max_patches=18, patch=PATCH)
    flattened = torch.stack([extract(torch.rand(3, *size)) for size in PICTURES])
    return {"flattened_patches": flattened, "attention_mask": (flattened[..., 0] > 0).float()}


def tokens() -> Inputs:
    target = mask([5, 23, 1])
    return {
        **pictures(),
        "decoder_input_ids": torch.randint(4, 61, target.shape),
        "decoder_attention_mask": target,
    }


def run_theirs(model: PreTrainedModel, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True, use_cache=False)
    encoder = (*output.encoder_hidden_states[:-1], output.encoder_last_hidden_state)  # theirs lacks the final norm
    return states(encoder, output.decoder_hidden_states, logits=output.logits)


def case(name: str, *, tied: bool, **text: Any) -> ParityCase:
    return ParityCase(name=name, make=pix2struct(tied=tied, **text), inputs=tokens, prompts=pictures, theirs=run_theirs)


CASES = [
    case("pix2struct", tied=False),
    case("pix2struct_tied", tied=True, num_layers=3, dense_act_fn="relu"),
]
