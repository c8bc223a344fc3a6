"""SpeechT5's shared body: post-norm, clipped relative positions in the encoder (Ao et al. 2022, 2110.07205)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block

_PROJECTIONS = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "out_proj": "out"}


def _attention(theirs: str, ours: str) -> dict[str, str]:
    named = {f"{theirs}.{name}": f"{ours}.{own}" for name, own in _PROJECTIONS.items()}
    return _affine(named)


def _affine(named: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.{part}": f"{own}.{part}" for name, own in named.items() for part in ("weight", "bias")}


_FEEDFORWARD = _affine(
    {
        "feed_forward.intermediate_dense": "feedforward.up",
        "feed_forward.output_dense": "feedforward.down",
        "final_layer_norm": "feedforward_residual.norm",
    }
)
_ENCODER_BLOCK = _attention("attention", "mixer") | _affine({"layer_norm": "mixer_residual.norm"}) | _FEEDFORWARD
_DECODER_BLOCK = (
    _attention("self_attn", "mixer")
    | _affine({"self_attn_layer_norm": "mixer_residual.norm"})
    | _attention("encoder_attn", "reads.encoder")
    | _affine({"encoder_attn_layer_norm": "read_residuals.encoder.norm"})
    | _FEEDFORWARD
)
_ENCODER = _affine({"layer_norm": "input_norm.norm"}) | {"embed_positions.pe_k.weight": "position.table.weight"}


@final
class SpeechT5(Conversion):
    """The body between embeddings and hidden states (transformers' `SpeechT5Model` without pre-nets).

    Absolute positions belong to the checkpoint's pre-nets, in the decoder too; so do the token table and the head.
    """

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["hidden_size"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": "unimodal.heads.OwnHead",
            "prenets": {},
            "postnets": {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": _stack(theirs, "encoder"),
                "decoder": _stack(theirs, "decoder"),
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        encoder, decoder = "encoder.wrapped_encoder", "decoder.wrapped_decoder"
        ours = {f"{encoder}.{name}": f"backbone.encoder.{own}" for name, own in _ENCODER.items()}
        for blocks, name, stack in ((_ENCODER_BLOCK, encoder, "encoder"), (_DECODER_BLOCK, decoder, "decoder")):
            depth = theirs[f"{stack}_layers"]
            ours |= per_block(blocks, depth, theirs=f"{name}.layers", ours=f"backbone.{stack}.blocks")
        return KeyMap(ours=ours, absent=("embedding.weight", "head.project.weight"))


def _stack(theirs: Mapping[str, Any], stack: str) -> dict[str, Any]:
    decoder = stack == "decoder"
    dim, heads, dropout = theirs["hidden_size"], theirs[f"{stack}_attention_heads"], float(theirs["hidden_dropout"])
    attention = {"heads": heads, "dropout": float(theirs["attention_dropout"])}
    norm = {"class": "unimodal.norms.LayerNorm", "epsilon": theirs["layer_norm_eps"]}
    dropped = {"class": "unimodal.norms.Dropped", "norm": norm, "rate": dropout}
    clipped = {
        "class": "unimodal.positions.clipped.Clipped",
        "head_dim": dim // heads,
        "longest": theirs["encoder_max_relative_position"],
    }
    reading = {
        "class": "unimodal.block.Reading",
        "memory": "encoder",
        "mixer": {"class": "unimodal.mixers.attention.CrossAttention", **attention},
    }
    if theirs["hidden_act"] != "gelu":
        raise ValueError(f"hidden_act: SpeechT5 is converted with 'gelu', not '{theirs['hidden_act']}'")
    return {
        "class": "unimodal.stack.Stack",
        "depth": theirs[f"{stack}_layers"],
        "mask": "unimodal.masks.causal.Causal" if decoder else "unimodal.masks.full.Full",
        "position": "unimodal.positions.none.NoPosition" if decoder else clipped,
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": "unimodal.norms.NoNorm" if decoder else dropped,
        "final_norm": "unimodal.norms.NoNorm",
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "reads": [reading] if decoder else [],
            "feedforward": {
                "class": "unimodal.feedforwards.dense.Dense",
                "hidden": theirs[f"{stack}_ffn_dim"],
                "activation": "unimodal.activations.GELU",
                "dropout": float(theirs["activation_dropout"]),
            },
            "residual": {"class": "unimodal.residuals.PostNorm", "norm": norm, "dropout": dropout},
        },
    }
