"""SpeechT5: speech to text, text to speech, speech to speech."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    PreTrainedModel,
    SpeechT5Config,
    SpeechT5ForSpeechToSpeech,
    SpeechT5ForSpeechToText,
    SpeechT5ForTextToSpeech,
)

from tests.parity.case import Inputs, ParityCase, States, mask, randomise, run_ours, run_theirs, saved_config, states
from unimodal.model import UnimodalForConditionalGeneration

BANDS, VOICE_DIM = 6, 7
SHORTEST = 400
"""Samples of which the convolutions leave one entry."""
LONGEST = slice(1, 2)
"""The row of `written_speech` that is not padded."""
SEED = 5
"""Of the dropout that acts in inference: both sides draw the same numbers."""


def speecht5(kind: type[PreTrainedModel], **settings: Any) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        defaults = {
            "vocab_size": 61,
            "hidden_size": 16,
            "encoder_layers": 3,
            "encoder_attention_heads": 2,
            "encoder_ffn_dim": 24,
            "decoder_layers": 2,
            "decoder_attention_heads": 4,
            "decoder_ffn_dim": 20,
            "encoder_max_relative_position": 4,  # shorter than the input, so that distances are clipped
            "conv_dim": [6, 6, 5, 6, 6, 6, 7],
            "num_conv_pos_embeddings": 6,
            "num_conv_pos_embedding_groups": 4,
            "num_mel_bins": BANDS,
            "speaker_embedding_dim": VOICE_DIM,
            "speech_decoder_prenet_units": 12,
            "speech_decoder_postnet_units": 10,
        }
        config = SpeechT5Config(**{**defaults, **settings})
        model = kind(config)
        randomise(model)
        for name, buffer in model.named_buffers():  # what batch norm remembers
            if name.endswith(("running_mean", "running_var")):
                buffer.uniform_(0.5, 2)
        return model.eval(), saved_config(config, architectures=[kind.__name__])

    return make


def waves() -> Inputs:
    """Of three lengths: 13 entries, 5 and the shortest sound of all."""
    lengths = mask([SHORTEST + 12 * 320, SHORTEST + 4 * 320 + 100, SHORTEST])
    return {"input_values": torch.randn(lengths.shape), "attention_mask": lengths}


def written_text() -> Inputs:
    target = mask([3, 11, 1])
    return {"decoder_input_ids": torch.randint(4, 61, target.shape), "decoder_attention_mask": target}


def read_text() -> Inputs:
    source = mask([13, 5, 1])
    return {"input_ids": torch.randint(4, 61, source.shape), "attention_mask": source}


def written_speech() -> Inputs:
    target = mask([3, 11, 1])
    return {
        "decoder_input_values": torch.randn(*target.shape, BANDS),
        "decoder_attention_mask": target,
        "speaker_embeddings": voices(),
    }


def voices() -> torch.Tensor:
    return torch.randn(3, VOICE_DIM)


def heard(found: States) -> States:
    """Entries of the waves alone: what stands behind their ends is nobody's."""
    real = mask([13, 5, 1])[..., None]
    return {name: state * real if name.startswith("encoder") else state for name, state in found.items()}


def run_their_speech(model: PreTrainedModel, inputs: Inputs) -> States:
    torch.manual_seed(SEED)
    output = model(**inputs, output_hidden_states=True, use_cache=False)
    _, _, stops = model.speech_decoder_postnet(output.decoder_hidden_states[-1])
    found = states(output.encoder_hidden_states, output.decoder_hidden_states)
    # Their refinement reads what stands behind the end of the shorter rows: those are compared alone elsewhere.
    return {**found, "spectrogram": output.spectrogram[LONGEST], "stops": stops.unflatten(1, (11, -1))}


def run_our_speech(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    torch.manual_seed(SEED)
    output = model(**inputs, output_hidden_states=True)
    assert output.logits is None
    encoder_states = (*output.encoder_hidden_states[:-1], output.encoder_last_hidden_state)
    stops = model.postnet("mel").decode(output.last_hidden_state)["stop"]
    found = states(encoder_states, output.hidden_states)
    return {**found, "spectrogram": output.spectrogram[LONGEST], "stops": stops}


SPEECH = {"theirs": run_their_speech, "ours": run_our_speech}
SPEECH_FROM_SPEECH = {
    "theirs": lambda model, inputs: heard(run_their_speech(model, inputs)),
    "ours": lambda model, inputs: heard(run_our_speech(model, inputs)),
}
TEXT_FROM_SPEECH = {
    "theirs": lambda model, inputs: heard(run_theirs(model, inputs)),
    "ours": lambda model, inputs: heard(run_ours(model, inputs)),
}
MASKED = ("prenets.wave.masking.vector",)

CASES = [
    ParityCase(
        name="speecht5_speech_to_text",
        make=speecht5(SpeechT5ForSpeechToText),
        inputs=lambda: {**waves(), **written_text()},
        prompts=waves,
        **TEXT_FROM_SPEECH,
        idle=MASKED,
    ),
    ParityCase(
        name="speecht5_speech_to_text_untied",
        make=speecht5(
            SpeechT5ForSpeechToText,
            tie_word_embeddings=False,
            scale_embedding=True,
            conv_bias=True,
            mask_time_prob=0.0,
            num_conv_pos_embeddings=5,
            pad_token_id=3,
            hidden_act="relu",
        ),
        inputs=lambda: {**waves(), **written_text()},
        prompts=waves,
        **TEXT_FROM_SPEECH,
    ),
    ParityCase(
        name="speecht5_text_to_speech",
        make=speecht5(SpeechT5ForTextToSpeech, scale_embedding=True, reduction_factor=3),
        inputs=lambda: {**read_text(), **written_speech()},
        **SPEECH,
    ),
    ParityCase(
        name="speecht5_speech_to_speech",
        make=speecht5(SpeechT5ForSpeechToSpeech, speech_decoder_prenet_layers=3, speech_decoder_postnet_layers=4),
        inputs=lambda: {**waves(), **written_speech()},
        idle=MASKED,
        **SPEECH_FROM_SPEECH,
    ),
]
