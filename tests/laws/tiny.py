"""Tiny specs of whole stacks and models, put together from the parts of the folders."""

from typing import Any

import torch
from torch import Tensor

from tests.laws.parts import DIM, HEADS, factory, randomised
from unimodal.config import UnimodalConfig
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.stack import Stack

CAUSAL, PREFIX, FULL = (f"unimodal.masks.{name.lower()}.{name}" for name in ("Causal", "Prefix", "Full"))
BUCKETED = {"class": "unimodal.positions.bucketed.Bucketed", "heads": HEADS, "bidirectional": False}
NUM_TOKENS = 40
_ENDS = ("input_norm", "final_norm")

PRE = {
    "residual": {"class": "unimodal.residuals.PreNorm", "norm": "unimodal.norms.RMSNorm"},
    "input_norm": "unimodal.norms.NoNorm",
    "final_norm": "unimodal.norms.RMSNorm",
}
POST = {
    "residual": {"class": "unimodal.residuals.PostNorm", "norm": "unimodal.norms.LayerNorm"},
    "input_norm": "unimodal.norms.LayerNorm",
    "final_norm": "unimodal.norms.NoNorm",
}


def stack_spec(
    *,
    mask: Any = CAUSAL,
    position: Any = BUCKETED,
    plan: Any = "unimodal.plans.sequential.Sequential",
    norms: Any = PRE,
    reads: tuple[str, ...] = (),
    dropout: float = 0.0,
) -> dict[str, Any]:
    """Two blocks. A post-norm stack has dense, a pre-norm one gated feed-forwards and grouped attention."""
    attention = {"heads": HEADS, "groups": 2 if norms is PRE else HEADS, "dropout": dropout}
    dense = {"class": "unimodal.feedforwards.dense.Dense", "activation": "unimodal.activations.GELU"}
    gated = {"class": "unimodal.feedforwards.gated.Gated", "activation": "unimodal.activations.SiLU"}
    cross = {"class": "unimodal.mixers.attention.CrossAttention", **attention}
    return {
        "class": "unimodal.stack.Stack",
        "depth": 2,
        "mask": mask,
        "position": position,
        "plan": plan,
        **{end: {"class": "unimodal.norms.Dropped", "norm": norms[end], "rate": dropout} for end in _ENDS},
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "reads": [{"class": "unimodal.block.Reading", "memory": name, "mixer": cross} for name in reads],
            "feedforward": {**(gated if norms is PRE else dense), "hidden": 12},
            "residual": {**norms["residual"], "dropout": dropout},
        },
    }


def stack(**settings: Any) -> Stack:
    made: Stack = randomised(factory(stack_spec(**settings), Stack)(DIM))
    return made


ARRANGEMENTS = {
    "encoder_decoder": "unimodal.batching.EncoderDecoder",
    "causal_decoder": "unimodal.batching.DecoderOnly",
    "prefix_decoder": "unimodal.batching.DecoderOnly",
    "encoder": "unimodal.batching.EncoderOnly",
}


def model_spec(architecture: str, *, tied: bool = True, **settings: Any) -> dict[str, Any]:
    """`architecture` is a key of ARRANGEMENTS."""
    masks = {"causal_decoder": CAUSAL, "prefix_decoder": PREFIX}
    stacks = {
        "encoder_decoder": {
            "encoder": stack_spec(mask=FULL, **settings),
            "decoder": stack_spec(mask=CAUSAL, reads=("encoder",), **settings),
        },
        "encoder": {"encoder": stack_spec(mask=FULL, **settings)},
        **{name: {"decoder": stack_spec(mask=mask, **settings)} for name, mask in masks.items()},
    }
    return {
        "vocabulary": {
            "class": "unimodal.vocabulary.TokenSpace",
            "ranges": [{"text": NUM_TOKENS - 2}, {"task": ["a", "b"]}],
        },
        "dim": DIM,
        "arrangement": ARRANGEMENTS[architecture],
        "head": "unimodal.heads.TiedHead" if tied else "unimodal.heads.OwnHead",
        "prenets": {"text": "unimodal.prenets.text.TextPrenet"},
        "postnets": {},
        "backbone": {"class": "unimodal.backbone.Backbone", **stacks[architecture]},
    }


def model_of(spec: dict[str, Any]) -> UnimodalForConditionalGeneration:
    made: UnimodalForConditionalGeneration = randomised(UnimodalForConditionalGeneration(UnimodalConfig(spec=spec)))
    return made


def gradients_of(module: torch.nn.Module, loss: Tensor) -> dict[str, Tensor | None]:
    names, parameters = zip(*module.named_parameters(), strict=True)
    return dict(zip(names, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True))
