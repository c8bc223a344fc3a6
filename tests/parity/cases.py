"""Parity cases: a tiny random model of transformers, its conversion, and how each side is run on the same input."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel, SpeechT5Config, SpeechT5Model, T5Config, T5ForConditionalGeneration

from unimodal.caches.once import Once
from unimodal.conversions import Conversion
from unimodal.conversions.speecht5 import SpeechT5
from unimodal.conversions.t5 import T5
from unimodal.layout import Layout
from unimodal.model import UnimodalForConditionalGeneration

Inputs = Mapping[str, Tensor]
States = dict[str, Tensor]
"""Name -> tensor [b, t, ...] at encoder or decoder entries."""


@dataclass(frozen=True)
class ParityCase:
    name: str
    conversion: Conversion
    make: Callable[[], tuple[PreTrainedModel, dict[str, Any]]]
    """Their model with random weights, and its `config.json` as the checkpoint's authors would have written it."""
    inputs: Callable[[], Inputs]
    theirs: Callable[[PreTrainedModel, Inputs], States]
    ours: Callable[[UnimodalForConditionalGeneration, Inputs], States]
    tolerance: float = 1e-5


def randomise(model: nn.Module) -> None:
    """Weights at which every part matters: trained norms are not one, biases not zero, attention not uniform."""
    for name, parameter in model.named_parameters():
        around = 1.0 if "norm" in name and name.endswith("weight") else 0.0
        nn.init.normal_(parameter, mean=around, std=0.5 if parameter.ndim > 1 else 0.2)


def saved_config(config: Any, **changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {**written, **changes}


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
            **settings,
        )
        model = T5ForConditionalGeneration(config)
        if not tied:  # transformers 5 ties all the same: give it the head that an untied checkpoint has
            model.lm_head.weight = nn.Parameter(torch.empty_like(model.lm_head.weight))
        randomise(model)
        return model.eval(), saved_config(config, tie_word_embeddings=tied)

    return make


def speecht5() -> tuple[PreTrainedModel, dict[str, Any]]:
    config = SpeechT5Config(
        vocab_size=61,
        hidden_size=16,
        encoder_layers=3,
        encoder_attention_heads=2,
        encoder_ffn_dim=24,
        decoder_layers=2,
        decoder_attention_heads=4,
        decoder_ffn_dim=20,
        encoder_max_relative_position=4,  # shorter than the input, so that distances are clipped
    )
    model = SpeechT5Model(config)
    randomise(model)
    return model.eval(), saved_config(config)


def mask(lengths: list[int]) -> Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def tokens() -> Inputs:
    """Longer than T5's exact buckets, and of three lengths."""
    source, target = mask([40, 7, 1]), mask([5, 23, 1])
    return {
        "input_ids": torch.randint(4, 61, source.shape),
        "attention_mask": source,
        "decoder_input_ids": torch.randint(4, 61, target.shape),
        "decoder_attention_mask": target,
    }


def embeddings() -> Inputs:
    source, target = mask([13, 5, 1]), mask([3, 11, 1])
    return {
        "source": torch.randn(*source.shape, 16),
        "attention_mask": source,
        "target": torch.randn(*target.shape, 16),
        "decoder_attention_mask": target,
    }


def states(encoder: tuple[Tensor, ...], decoder: tuple[Tensor, ...], **rest: Tensor) -> States:
    named = {f"encoder {depth}": state for depth, state in enumerate(encoder)}
    return named | {f"decoder {depth}": state for depth, state in enumerate(decoder)} | rest


def run_theirs(model: PreTrainedModel, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True, use_cache=False)
    return states(output.encoder_hidden_states, output.decoder_hidden_states, logits=output.logits)


def run_ours(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    """Both sides list the input of the first block, then all blocks, the last one after the final norm."""
    output = model(**inputs, output_hidden_states=True)
    encoder_states = (*output.encoder_hidden_states[:-1], output.encoder_last_hidden_state)
    last = model.backbone.decoder.final_norm(output.decoder_hidden_states[-1])
    return states(encoder_states, (*output.decoder_hidden_states[:-1], last), logits=output.logits)


def run_their_bodies(model: PreTrainedModel, inputs: Inputs) -> States:
    source, target = inputs["attention_mask"], inputs["decoder_attention_mask"]
    encoder = model.encoder(inputs["source"], attention_mask=source, output_hidden_states=True)
    decoder = model.decoder(
        inputs["target"],
        attention_mask=target,
        encoder_hidden_states=encoder.last_hidden_state,
        encoder_attention_mask=source,
        output_hidden_states=True,
        use_cache=False,
    )
    return states(encoder.hidden_states, decoder.hidden_states)


def run_our_bodies(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    source, target = (Layout.of_valid(inputs[name].bool()) for name in ("attention_mask", "decoder_attention_mask"))
    encoder, memories = model.backbone.encode(inputs["source"], source)
    cache = Once(len(inputs["target"]), torch.device("cpu"))
    decoder = model.backbone.decode(inputs["target"], target, cache, memories)
    return states(encoder.layers, decoder.layers)


CASES = [
    ParityCase("t5_relu_tied", T5(), t5(tied=True, num_layers=3, num_decoder_layers=2), tokens, run_theirs, run_ours),
    ParityCase(
        "t5_gated_untied",
        T5(),
        t5(tied=False, num_layers=2, feed_forward_proj="gated-gelu", relative_attention_max_distance=20),
        tokens,
        run_theirs,
        run_ours,
    ),
    ParityCase("speecht5_body", SpeechT5(), speecht5, embeddings, run_their_bodies, run_our_bodies),
]
