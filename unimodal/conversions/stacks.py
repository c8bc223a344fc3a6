"""Stacks of the first Transformer's kind, as BART, Whisper and SpeechT5 name and describe them."""

from collections.abc import Collection, Mapping
from typing import Any

PROJECTIONS = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "out"}
"""Of an attention, theirs -> ours."""


def affine(named: Mapping[str, str]) -> dict[str, str]:
    """The weights and biases of named layers, theirs -> ours."""
    return {f"{name}.{part}": f"{own}.{part}" for name, own in named.items() for part in ("weight", "bias")}


def attention_names(theirs: str, ours: str, *, without_bias: Collection[str] = ()) -> dict[str, str]:
    """What an attention holds; `without_bias` are the projections, as we call them, that have none."""
    found = affine({f"{theirs}.{name}": f"{ours}.{own}" for name, own in PROJECTIONS.items()})
    return {name: own for name, own in found.items() if own not in {f"{ours}.{own}.bias" for own in without_bias}}


def block_names(stack: str, *, without_bias: Collection[str] = ()) -> dict[str, str]:
    """What a block of BART's `encoder` or `decoder` holds, theirs -> ours."""
    own = attention_names("self_attn", "mixer", without_bias=without_bias)
    read = attention_names("encoder_attn", "reads.encoder", without_bias=without_bias)
    layers = {"self_attn_layer_norm": "mixer_residual.norm", "final_layer_norm": "feedforward_residual.norm"}
    layers |= {"fc1": "feedforward.up", "fc2": "feedforward.down"}
    if stack == "encoder":
        return own | affine(layers)
    return own | read | affine(layers | {"encoder_attn_layer_norm": "read_residuals.encoder.norm"})


def stack_spec(
    theirs: Mapping[str, Any],
    stack: str,
    *,
    position: Any,
    input_norm: Any,
    final_norm: Any,
    residual: Mapping[str, Any],
    activation: Any,
    without_bias: Collection[str] = (),
) -> dict[str, Any]:
    """The spec of the `encoder` or the `decoder`, from their config and what its relatives do each in its own way."""
    attention = {"heads": theirs[f"{stack}_attention_heads"], "dropout": float(theirs["attention_dropout"])}
    if without_bias:
        attention["biases"] = [own for own in PROJECTIONS.values() if own not in without_bias]
    reading = {
        "class": "unimodal.block.Reading",
        "memory": "encoder",
        "mixer": {"class": "unimodal.mixers.attention.CrossAttention", **attention},
    }
    return {
        "class": "unimodal.stack.Stack",
        "depth": theirs[f"{stack}_layers"],
        "mask": "unimodal.masks.causal.Causal" if stack == "decoder" else "unimodal.masks.full.Full",
        "position": position,
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": input_norm,
        "final_norm": final_norm,
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "reads": [reading] if stack == "decoder" else [],
            "feedforward": {
                "class": "unimodal.feedforwards.dense.Dense",
                "hidden": theirs[f"{stack}_ffn_dim"],
                "activation": activation,
                "dropout": float(theirs["activation_dropout"]),
            },
            "residual": residual,
        },
    }
