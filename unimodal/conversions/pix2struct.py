"""Pix2Struct: an encoder of a picture's patches, and T5's decoder (Lee et al. 2022, 2210.03347)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import activation_of

Theirs = Mapping[str, Any]

_GATED = {"wi_0": "gate", "wi_1": "up", "wo": "down"}
_PROJECTIONS = {"query": "query", "key": "key", "value": "value", "output": "out"}


def _weights(theirs: str, ours: str, names: Mapping[str, str]) -> dict[str, str]:
    return {f"{theirs}.{name}.weight": f"{ours}.{own}.weight" for name, own in names.items()}


_PRENET = {
    "patch_projection.weight": "project.weight",
    "patch_projection.bias": "project.bias",
    "row_embedder.weight": "rows.weight",
    "column_embedder.weight": "columns.weight",
}
_ENCODER_BLOCK = {
    "pre_attention_layer_norm.weight": "mixer_residual.norm.weight",
    "pre_mlp_layer_norm.weight": "feedforward_residual.norm.weight",
    **_weights("attention", "mixer", _PROJECTIONS),
    **_weights("mlp", "feedforward", _GATED),
}
_DECODER_BLOCK = {
    "self_attention.layer_norm.weight": "mixer_residual.norm.weight",
    "encoder_decoder_attention.layer_norm.weight": "read_residuals.encoder.norm.weight",
    "mlp.layer_norm.weight": "feedforward_residual.norm.weight",
    **_weights("self_attention.attention", "mixer", _PROJECTIONS),
    **_weights("encoder_decoder_attention.attention", "reads.encoder", _PROJECTIONS),
    **_weights("mlp.DenseReluDense", "feedforward", _GATED),
}
_ENDS = {
    "encoder.layernorm.weight": "backbone.encoder.final_norm.weight",
    "decoder.embed_tokens.weight": "embedding.weight",
    "decoder.final_layer_norm.weight": "backbone.decoder.final_norm.norm.weight",
    "decoder.layer.0.self_attention.attention.relative_attention_bias.weight": (
        "backbone.decoder.position.table.weight"
    ),
}


@final
class Pix2Struct(Conversion):
    """Patches, encoder, decoder and head. The text of a question is drawn into the picture, above our network."""

    def config(self, theirs: Theirs) -> dict[str, Any]:
        vision, text = theirs["vision_config"], theirs["text_config"]
        _check(vision, text)
        patches = {
            "class": "unimodal.prenets.flattened_patches.FlattenedPatchesPrenet",
            "num_values": vision["patch_embed_hidden_size"],
            "num_places": vision["seq_len"],
            "dropout": float(vision["dropout_rate"]),
        }
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": text["vocab_size"]}]},
            "dim": text["hidden_size"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": f"unimodal.heads.{'TiedHead' if theirs['tie_word_embeddings'] else 'OwnHead'}",
            "prenets": {"patches": patches, "text": "unimodal.prenets.text.TextPrenet"},
            "postnets": {},
            "backbone": {"class": "unimodal.backbone.Backbone", "encoder": _encoder(vision), "decoder": _decoder(text)},
        }

    def keys(self, theirs: Theirs) -> KeyMap:
        ours, copies = dict(_ENDS), {}
        if theirs["tie_word_embeddings"]:
            copies["decoder.lm_head.weight"] = "decoder.embed_tokens.weight"
        else:
            ours["decoder.lm_head.weight"] = "head.project.weight"
        ours |= {f"encoder.embeddings.{name}": f"prenets.patches.{own}" for name, own in _PRENET.items()}
        for blocks, depth, name, own in (
            (_ENCODER_BLOCK, theirs["vision_config"]["num_hidden_layers"], "encoder.encoder.layer", "encoder"),
            (_DECODER_BLOCK, theirs["text_config"]["num_layers"], "decoder.layer", "decoder"),
        ):
            ours |= per_block(blocks, depth, theirs=name, ours=f"backbone.{own}.blocks")
        return KeyMap(ours=ours, copies=copies)


def _check(vision: Theirs, text: Theirs) -> None:
    if not text["is_decoder"]:
        raise ValueError("text_config.is_decoder: false, but what writes text is a decoder")
    if text["num_heads"] * text["d_kv"] != text["hidden_size"]:
        heads = f"{text['num_heads']} heads of {text['d_kv']}"
        raise ValueError(f"text_config.d_kv: {heads} do not make up a hidden_size of {text['hidden_size']}")
    if vision["hidden_size"] != text["hidden_size"]:
        raise ValueError(
            f"vision_config.hidden_size: {vision['hidden_size']} is not that of text_config, {text['hidden_size']}"
        )


def _attention(*, heads: int, head_dim: int, dropout: float) -> dict[str, Any]:
    return {"heads": heads, "head_dim": head_dim, "scale": 1.0, "biases": [], "dropout": dropout}


def _feedforward(theirs: Theirs, dropout: float) -> dict[str, Any]:
    return {
        "class": "unimodal.feedforwards.gated.Gated",
        "hidden": theirs["d_ff"],
        "activation": activation_of(theirs, "dense_act_fn"),
        "dropout": dropout,
    }


def _encoder(vision: Theirs) -> dict[str, Any]:
    norm = {"class": "unimodal.norms.RMSNorm", "epsilon": vision["layer_norm_eps"]}
    attention = _attention(
        heads=vision["num_attention_heads"], head_dim=vision["d_kv"], dropout=float(vision["attention_dropout"])
    )
    return {
        "class": "unimodal.stack.Stack",
        "depth": vision["num_hidden_layers"],
        "mask": "unimodal.masks.full.Full",
        "position": "unimodal.positions.none.NoPosition",
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": "unimodal.norms.NoNorm",
        "final_norm": norm,
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "feedforward": _feedforward(vision, float(vision["dropout_rate"])),
            "residual": {"class": "unimodal.residuals.PreNorm", "norm": norm},
        },
    }


def _decoder(text: Theirs) -> dict[str, Any]:
    dropout = float(text["dropout_rate"])
    norm = {"class": "unimodal.norms.RMSNorm", "epsilon": text["layer_norm_epsilon"]}
    attention = _attention(heads=text["num_heads"], head_dim=text["d_kv"], dropout=dropout)
    reading = {"class": "unimodal.mixers.attention.CrossAttention", **attention}
    return {
        "class": "unimodal.stack.Stack",
        "depth": text["num_layers"],
        "mask": "unimodal.masks.causal.Causal",
        "position": {
            "class": "unimodal.positions.bucketed.Bucketed",
            "heads": text["num_heads"],
            "num_buckets": text["relative_attention_num_buckets"],
            "longest": text["relative_attention_max_distance"],
            "bidirectional": False,
        },
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": {"class": "unimodal.norms.Dropped", "norm": "unimodal.norms.NoNorm", "rate": dropout},
        "final_norm": {"class": "unimodal.norms.Dropped", "norm": norm, "rate": dropout},
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "reads": [{"class": "unimodal.block.Reading", "memory": "encoder", "mixer": reading}],
            "feedforward": _feedforward(text, dropout),
            "residual": {"class": "unimodal.residuals.PreNorm", "norm": norm, "dropout": dropout},
        },
    }
