"""Whisper: pre-norm, absolute positions on both sides, keys without a bias (Radford et al. 2022, 2212.04356)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import activation_of

_SUBSAMPLING = 2
"""Frames of the spectrogram for each entry of the encoder."""


def _affine(named: Mapping[str, str]) -> dict[str, str]:
    return {f"{name}.{part}": f"{own}.{part}" for name, own in named.items() for part in ("weight", "bias")}


def _attention(theirs: str, ours: str) -> dict[str, str]:
    with_bias = {"q_proj": "query", "v_proj": "value", "out_proj": "out"}
    named = _affine({f"{theirs}.{name}": f"{ours}.{own}" for name, own in with_bias.items()})
    return {**named, f"{theirs}.k_proj.weight": f"{ours}.key.weight"}


_OWN = _attention("self_attn", "mixer") | _affine({"self_attn_layer_norm": "mixer_residual.norm"})
_READ = _attention("encoder_attn", "reads.encoder") | _affine(
    {"encoder_attn_layer_norm": "read_residuals.encoder.norm"}
)
_FEEDFORWARD = _affine(
    {"fc1": "feedforward.up", "fc2": "feedforward.down", "final_layer_norm": "feedforward_residual.norm"}
)
_STACK = {
    "embed_positions.weight": "position.table.weight",
    "layer_norm.weight": "final_norm.weight",
    "layer_norm.bias": "final_norm.bias",
}


@final
class Whisper(Conversion):
    """Encoder over windows of a log-mel spectrogram, decoder and tied head.

    The encoder's positions are the sinusoids that the file holds; in training they learn, where theirs stand still.
    What theirs do in training only (LayerDrop, SpecAugment) is not taken over.
    """

    generation = "unimodal.generators.windows.Windows"

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        tied = theirs["tie_word_embeddings"]
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["d_model"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": "unimodal.heads.TiedHead" if tied else "unimodal.heads.OwnHead",
            "prenets": {
                "text": "unimodal.prenets.text.TextPrenet",
                "speech": {
                    "class": "unimodal.prenets.whisper.WhisperPrenet",
                    "num_bands": theirs["num_mel_bins"],
                    "window": _SUBSAMPLING * theirs["max_source_positions"],
                },
            },
            "postnets": {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": _stack(theirs, "encoder", theirs["max_source_positions"]),
                "decoder": _stack(theirs, "decoder", theirs["max_target_positions"]),
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        table = "model.decoder.embed_tokens.weight"
        ours = {table: "embedding.weight"}
        ours |= _affine({"model.encoder.conv1": "prenets.speech.first", "model.encoder.conv2": "prenets.speech.second"})
        copies = {}
        if theirs["tie_word_embeddings"]:
            copies["proj_out.weight"] = table
        else:
            ours["proj_out.weight"] = "head.project.weight"
        for stack, blocks in (("encoder", _OWN | _FEEDFORWARD), ("decoder", _OWN | _READ | _FEEDFORWARD)):
            ours |= {f"model.{stack}.{name}": f"backbone.{stack}.{own}" for name, own in _STACK.items()}
            depth = theirs[f"{stack}_layers"]
            ours |= per_block(blocks, depth, theirs=f"model.{stack}.layers", ours=f"backbone.{stack}.blocks")
        return KeyMap(ours=ours, copies=copies)


def _stack(theirs: Mapping[str, Any], stack: str, longest: int) -> dict[str, Any]:
    decoder = stack == "decoder"
    dropout = float(theirs["dropout"])
    attention = {
        "heads": theirs[f"{stack}_attention_heads"],
        "biases": ["query", "value", "out"],
        "dropout": float(theirs["attention_dropout"]),
    }
    reading = {
        "class": "unimodal.block.Reading",
        "memory": "encoder",
        "mixer": {"class": "unimodal.mixers.attention.CrossAttention", **attention},
    }
    return {
        "class": "unimodal.stack.Stack",
        "depth": theirs[f"{stack}_layers"],
        "mask": "unimodal.masks.causal.Causal" if decoder else "unimodal.masks.full.Full",
        "position": {"class": "unimodal.positions.learned.Learned", "longest": longest},
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": {"class": "unimodal.norms.Dropped", "norm": "unimodal.norms.NoNorm", "rate": dropout},
        "final_norm": "unimodal.norms.LayerNorm",
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "reads": [reading] if decoder else [],
            "feedforward": {
                "class": "unimodal.feedforwards.dense.Dense",
                "hidden": theirs[f"{stack}_ffn_dim"],
                "activation": activation_of(theirs, "activation_function"),
                "dropout": float(theirs["activation_dropout"]),
            },
            "residual": {"class": "unimodal.residuals.PreNorm", "norm": "unimodal.norms.LayerNorm", "dropout": dropout},
        },
    }
