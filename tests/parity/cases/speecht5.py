"""SpeechT5's body, between its pre-nets and its post-nets."""

from typing import Any

import torch
from transformers import PreTrainedModel, SpeechT5Config, SpeechT5Model

from tests.parity.case import Inputs, ParityCase, States, mask, randomise, saved_config, states
from unimodal.caches.once import Once
from unimodal.layout import Layout
from unimodal.model import UnimodalForConditionalGeneration


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


def embeddings() -> Inputs:
    source, target = mask([13, 5, 1]), mask([3, 11, 1])
    return {
        "source": torch.randn(*source.shape, 16),
        "attention_mask": source,
        "target": torch.randn(*target.shape, 16),
        "decoder_attention_mask": target,
    }


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
    ParityCase(name="speecht5_body", make=speecht5, inputs=embeddings, theirs=run_their_bodies, ours=run_our_bodies),
]
