"""Whisper: many languages and one, tied and not; greedy and beams, with and without timestamps."""

from collections.abc import Callable
from typing import Any

import torch
from torch import nn
from transformers import GenerationConfig, PreTrainedModel, WhisperConfig, WhisperForConditionalGeneration

from tests.parity.case import Inputs, ParityCase, mask, randomise, saved_config

ENTRIES = 24
"""Of a window, 20 ms each."""
END, START, ENGLISH, GERMAN, FRENCH, TRANSLATE, TRANSCRIBE = 60, 61, 62, 63, 64, 65, 66
START_OF_PREVIOUS, NO_SPEECH, NO_TIMESTAMPS = 68, 69, 70
LONGEST = 64
SPECIAL = [START, ENGLISH, GERMAN, FRENCH, TRANSLATE, TRANSCRIBE, 67, START_OF_PREVIOUS, NO_SPEECH]

MULTILINGUAL = {
    "is_multilingual": True,
    "lang_to_id": {"<|en|>": ENGLISH, "<|de|>": GERMAN, "<|fr|>": FRENCH},
    "task_to_id": {"transcribe": TRANSCRIBE, "translate": TRANSLATE},
}
TIMESTAMPED = {"no_timestamps_token_id": NO_TIMESTAMPS, "max_initial_timestamp_index": 5}


def whisper(
    *, num_bands: int, tied: bool = True, entries: int = ENTRIES, **generation: Any
) -> Callable[[], tuple[PreTrainedModel, dict[str, Any]]]:
    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = WhisperConfig(
            vocab_size=NO_TIMESTAMPS + 1 + entries + 1,
            num_mel_bins=num_bands,
            d_model=16,
            encoder_layers=2,
            encoder_attention_heads=4,
            encoder_ffn_dim=24,
            decoder_layers=3,
            decoder_attention_heads=2,
            decoder_ffn_dim=20,
            max_source_positions=entries,
            max_target_positions=LONGEST,
            pad_token_id=END,
            bos_token_id=END,
            eos_token_id=END,
            decoder_start_token_id=START,
            begin_suppress_tokens=None,
            tie_word_embeddings=tied,
        )
        model = WhisperForConditionalGeneration(config)
        randomise(model)
        for conv in (model.model.encoder.conv1, model.model.encoder.conv2):
            nn.init.normal_(conv.weight, std=0.2)
        model.generation_config = GenerationConfig(
            pad_token_id=END,
            bos_token_id=END,
            eos_token_id=END,
            decoder_start_token_id=START,
            begin_suppress_tokens=[7, END],
            prev_sot_token_id=START_OF_PREVIOUS,
            return_timestamps=False,
            **generation,
        )
        return model.eval(), saved_config(config)

    return make


def features(num_bands: int, *, rows: int = 3, frames: int = 2 * ENTRIES) -> Inputs:
    return {"input_features": torch.randn(rows, num_bands, frames)}


def taught(num_bands: int) -> Callable[[], Inputs]:
    def make() -> Inputs:
        target = mask([5, 23, 1])
        return {
            **features(num_bands),
            "decoder_input_ids": torch.randint(NO_TIMESTAMPS, target.shape),
            "decoder_attention_mask": target,
        }

    return make


CASES = [
    ParityCase(
        name="whisper_multilingual",
        make=whisper(num_bands=80, suppress_tokens=[1, 2, *SPECIAL], **MULTILINGUAL, **TIMESTAMPED),
        inputs=taught(80),
        prompts=lambda: features(80),
        decodings=(
            {},
            {"num_beams": 4},
            {"language": "german", "task": "translate"},
            {"language": ["en", "<|de|>", "French"], "num_beams": 4},
            {"language": "en", "return_timestamps": True},
            {"task": "translate", "return_timestamps": True, "num_beams": 4},
        ),
    ),
    ParityCase(
        name="whisper_english_untied",
        make=whisper(num_bands=128, tied=False, is_multilingual=False, suppress_tokens=SPECIAL, **TIMESTAMPED),
        inputs=taught(128),
        prompts=lambda: features(128),
        decodings=({}, {"num_beams": 4}, {"return_timestamps": True}),
    ),
]
