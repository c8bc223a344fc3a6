"""What a parity case is: a tiny random model of transformers, and how each side is run on the same input."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.core_model_loading import revert_weight_conversion

from unimodal.model import UnimodalForConditionalGeneration

Inputs = Mapping[str, Tensor]
States = dict[str, Tensor]
"""Name -> tensor [b, t, ...] at encoder or decoder entries."""


def run_theirs(model: PreTrainedModel, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True, use_cache=False)
    return states(output.encoder_hidden_states, output.decoder_hidden_states, logits=output.logits)


def run_ours(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    """Both sides list the input of the first block, then all blocks, the last one after the final norm."""
    output = model(**inputs, output_hidden_states=True)
    encoder_states = (*output.encoder_hidden_states[:-1], output.encoder_last_hidden_state)
    decoder_states = (*output.decoder_hidden_states[:-1], output.last_hidden_state)
    return states(encoder_states, decoder_states, logits=output.logits)


@dataclass(frozen=True, kw_only=True)
class ParityCase:
    name: str
    make: Callable[[], tuple[PreTrainedModel, dict[str, Any]]]
    """Their model with random weights, and its `config.json` as the checkpoint's authors would have written it."""
    inputs: Callable[[], Inputs]
    """What `forward` takes, with padding."""
    theirs: Callable[[PreTrainedModel, Inputs], States] = run_theirs
    ours: Callable[[UnimodalForConditionalGeneration, Inputs], States] = run_ours
    tolerance: float = 1e-5
    prompts: Callable[[], Inputs] | None = None
    """What `generate` takes; None: the model does not write."""
    decodings: tuple[Mapping[str, Any], ...] = ({}, {"num_beams": 4})
    """Options of `generate`, beside those that the checkpoint's own generation config holds."""
    idle: tuple[str, ...] = ()
    """Our weights that training alone reads."""

    def save(self, folder: Path) -> PreTrainedModel:
        """Their folder, as the checkpoint's authors would have written it."""
        model, config = self.make()
        model.save_pretrained(folder)
        (folder / "config.json").write_text(json.dumps(config))
        return model


def randomise(model: nn.Module) -> None:
    """Weights at which every part matters: trained norms are not one, biases not zero, attention not uniform."""
    for name, parameter in model.named_parameters():
        around = 1.0 if "norm" in name.lower() and name.endswith("weight") else 0.0
        nn.init.normal_(parameter, mean=around, std=0.5 if parameter.ndim > 1 else 0.2)


def saved_config(config: Any, **changes: Any) -> dict[str, Any]:
    written: dict[str, Any] = json.loads(config.to_json_string(use_diff=False))
    return {**written, **changes}


def saved_states(model: PreTrainedModel) -> States:
    """Its tensors under the names that they have in a file, which may be older than those of its modules."""
    return dict(revert_weight_conversion(model, model.state_dict()))


def distance(name: str, expected: Tensor, found: Tensor, inputs: Inputs) -> float:
    """The largest difference of a state, to its largest value or to 1, where no padding stands."""
    kept = inputs.get("attention_mask" if name.startswith("encoder") else "decoder_attention_mask")
    real = slice(None) if kept is None or kept.shape != expected.shape[:2] else kept.bool()
    return float((expected - found)[real].abs().max() / expected[real].abs().max().clamp(min=1))


def mask(lengths: list[int]) -> Tensor:
    return (torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]).long()


def tokens() -> Inputs:
    """Longer than T5's exact buckets, and of three lengths; for 61 tokens of which the first four are special."""
    source, target = mask([40, 7, 1]), mask([5, 23, 1])
    return {
        "input_ids": torch.randint(4, 61, source.shape),
        "attention_mask": source,
        "decoder_input_ids": torch.randint(4, 61, target.shape),
        "decoder_attention_mask": target,
    }


def token_prompts() -> Inputs:
    source = mask([19, 7, 3])
    return {"input_ids": torch.randint(4, 61, source.shape), "attention_mask": source}


def states(encoder: tuple[Tensor, ...], decoder: tuple[Tensor, ...], **rest: Tensor) -> States:
    named = {f"encoder {depth}": state for depth, state in enumerate(encoder)}
    return named | {f"decoder {depth}": state for depth, state in enumerate(decoder)} | rest
