"""Vision transformers: classifiers, and bodies with a pooler and without."""

from collections.abc import Callable
from typing import Any

import torch
from transformers import (
    DeiTConfig,
    DeiTForImageClassification,
    DeiTModel,
    PreTrainedModel,
    ViTConfig,
    ViTForImageClassification,
    ViTModel,
)

from tests.parity.case import Inputs, ParityCase, States, randomise, saved_config, states
from unimodal.model import UnimodalForConditionalGeneration

Make = Callable[[], tuple[PreTrainedModel, dict[str, Any]]]
CONFIGS = {"vit": ViTConfig, "deit": DeiTConfig}


def vision_config(model_type: str, **settings: Any) -> Any:
    """Pictures that are wider than high, of which a margin at the right is not read, in patches that are not square."""
    sizes = {"image_size": [12, 17], "patch_size": [4, 3], "num_channels": 3}
    return CONFIGS[model_type](
        **sizes,
        hidden_size=16,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=24,
        **settings,
    )


def vision(model: Callable[..., PreTrainedModel], model_type: str = "vit", **settings: Any) -> Make:
    options = {"add_pooling_layer": settings.pop("pooled")} if "pooled" in settings else {}

    def make() -> tuple[PreTrainedModel, dict[str, Any]]:
        config = vision_config(model_type, **settings)
        made = model(config, **options)
        randomise(made)
        return made.eval(), saved_config(config, architectures=[type(made).__name__])

    return make


def pictures() -> Inputs:
    return {"pixel_values": torch.randn(2, 3, 12, 17)}


def _named(layers: Any, last: torch.Tensor | None, **rest: torch.Tensor | None) -> States:
    named = states(layers[: len(layers) - (last is not None)], (), **({} if last is None else {"last": last}))
    return named | {name: state for name, state in rest.items() if state is not None}


def run_their_body(model: PreTrainedModel, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True)
    return _named(output.hidden_states, output.last_hidden_state, pooled=output.pooler_output)


def run_our_body(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    output = model(**inputs, output_hidden_states=True)
    return _named(output.hidden_states, output.last_hidden_state, pooled=output.pooler_output)


def run_their_classifier(model: PreTrainedModel, inputs: Inputs) -> States:
    labels = torch.tensor([1, 0])
    output = model(**inputs, labels=labels, output_hidden_states=True)
    return _named(output.hidden_states, None, logits=output.logits, loss=output.loss[None])


def run_our_classifier(model: UnimodalForConditionalGeneration, inputs: Inputs) -> States:
    labels = torch.tensor([1, 0])
    output = model(**inputs, labels=labels, output_hidden_states=True)
    return _named(output.hidden_states, None, logits=output.logits, loss=output.loss[None])


def body(name: str, make: Make) -> ParityCase:
    return ParityCase(name=name, make=make, inputs=pictures, theirs=run_their_body, ours=run_our_body)


def classifier(name: str, make: Make) -> ParityCase:
    return ParityCase(name=name, make=make, inputs=pictures, theirs=run_their_classifier, ours=run_our_classifier)


CASES = [
    classifier("vit_classifier", vision(ViTForImageClassification, num_labels=7)),
    classifier("deit_classifier", vision(DeiTForImageClassification, "deit", num_labels=2)),
    body("vit_pooled", vision(ViTModel, pooler_output_size=10, qkv_bias=False, hidden_act="gelu_new")),
    body("vit_bare", vision(ViTModel, pooled=False)),
    body("deit_pooled", vision(DeiTModel, "deit", layer_norm_eps=0.1)),
]
