"""Llama, Mistral, Qwen2: grouped attention, windows, biases, scaled rotary positions, padding on either side."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaModel,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedModel,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tests.parity.case import Inputs, ParityCase, States, mask, randomise, saved_config
from unimodal.model import UnimodalForConditionalGeneration

Make = Callable[[], tuple[PreTrainedModel, dict[str, Any]]]
LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 4.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 16,
}


def decoder(model: type[PreTrainedModel], config: type[Any], **settings: Any) -> Make:
    """`spelled` replaces fields of the saved config by those of an older file."""
    spelled = settings.pop("spelled", {})
    sizes = {"vocab_size": 61, "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 3}
    ids = {"bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}

    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        made = model(config(**{**sizes, "num_attention_heads": 6, "num_key_value_heads": 2, **ids, **settings}))
        randomise(made)
        written = saved_config(made.config, architectures=[model.__name__], **spelled)
        return made.eval(), {name: value for name, value in written.items() if value != "left out"}

    return make


def padded(lengths: list[int], *, left: bool) -> Inputs:
    kept = mask(lengths)
    kept = kept.flip(1) if left else kept
    return {"input_ids": torch.where(kept.bool(), torch.randint(4, 61, kept.shape), 0), "attention_mask": kept}


def texts() -> Inputs:
    """Longer than the windows, padded on the right."""
    return padded([31, 12, 1], left=False)


def prompts() -> Inputs:
    """Padded on the left, as transformers wants it of decoders."""
    return padded([14, 5, 1], left=True)


def real(inputs: Inputs, layers: tuple[Tensor, ...], last: Tensor, **rest: Tensor) -> States:
    """Zeros on padding, of which neither side says what it is."""
    kept = inputs["attention_mask"].bool()[..., None]
    named = {**{f"block {depth}": state for depth, state in enumerate(layers[:-1])}, "last": last, **rest}
    return {name: torch.where(kept, state, 0) if state.ndim == 3 else state for name, state in named.items()}


def run_theirs(model: PreTrainedModel, inputs: Inputs) -> States:
    labels = torch.where(inputs["attention_mask"].bool(), inputs["input_ids"], -100)
    output = model(**inputs, labels=labels, output_hidden_states=True, use_cache=False)
    layers = output.hidden_states
    return real(inputs, layers, layers[-1], logits=output.logits, loss=output.loss[None])


def run_ours(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    labels = torch.where(inputs["attention_mask"].bool(), inputs["input_ids"], -100)
    output = model(**inputs, labels=labels, output_hidden_states=True)
    layers = output.hidden_states
    return real(inputs, layers, output.last_hidden_state, logits=output.logits, loss=output.loss[None])


def run_their_body(model: PreTrainedModel, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True, use_cache=False)
    return real(inputs, output.hidden_states, output.last_hidden_state)


def run_our_body(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True)
    return real(inputs, output.hidden_states, output.last_hidden_state)


def writer(name: str, make: Make) -> ParityCase:
    return ParityCase(name=name, make=make, inputs=texts, theirs=run_theirs, ours=run_ours, prompts=prompts)


CASES = [
    writer(
        "llama_tied",
        decoder(LlamaForCausalLM, LlamaConfig, tie_word_embeddings=True, rope_parameters={**LLAMA3}),
    ),
    writer(
        "llama_biased",
        decoder(
            LlamaForCausalLM,
            LlamaConfig,
            num_key_value_heads=6,
            head_dim=8,
            attention_bias=True,
            mlp_bias=True,
            rms_norm_eps=1e-2,
            rope_parameters={"rope_type": "linear", "factor": 3.0, "rope_theta": 100.0},
            spelled={
                "rope_parameters": "left out",
                "rope_theta": 100.0,
                "rope_scaling": {"type": "linear", "factor": 3.0},
            },
        ),
    ),
    ParityCase(
        name="llama_bare",
        make=decoder(LlamaModel, LlamaConfig, hidden_act="gelu"),
        inputs=texts,
        theirs=run_their_body,
        ours=run_our_body,
    ),
    writer("mistral_window", decoder(MistralForCausalLM, MistralConfig, sliding_window=5, head_dim=6)),
    writer("mistral_full", decoder(MistralForCausalLM, MistralConfig, sliding_window=None, tie_word_embeddings=True)),
    writer("qwen2_tied", decoder(Qwen2ForCausalLM, Qwen2Config, tie_word_embeddings=True)),
    writer(
        "qwen2_windows",
        decoder(Qwen2ForCausalLM, Qwen2Config, use_sliding_window=True, sliding_window=4, max_window_layers=1),
    ),
]
