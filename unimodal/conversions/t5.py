"""T5 and what grew of it: pre-norm, relative positions in buckets, unscaled queries (Raffel et al. 2020, 1910.10683).

FLAN-T5 (Chung et al. 2022, 2210.11416), ByT5 (Xue et al. 2021, 2105.13626), mT5 (Xue et al. 2020, 2010.11934), and UMT5
(Chung et al. 2023, 2304.09151), whose blocks have buckets of their own.
"""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import ACTIVATIONS

_BUCKETS = "layer.0.SelfAttention.relative_attention_bias.weight"
_MIXER = {
    "layer.0.layer_norm.weight": "mixer_residual.norm.weight",
    "layer.0.SelfAttention.q.weight": "mixer.query.weight",
    "layer.0.SelfAttention.k.weight": "mixer.key.weight",
    "layer.0.SelfAttention.v.weight": "mixer.value.weight",
    "layer.0.SelfAttention.o.weight": "mixer.out.weight",
}
_READ = {
    "layer.1.layer_norm.weight": "read_residuals.encoder.norm.weight",
    "layer.1.EncDecAttention.q.weight": "reads.encoder.query.weight",
    "layer.1.EncDecAttention.k.weight": "reads.encoder.key.weight",
    "layer.1.EncDecAttention.v.weight": "reads.encoder.value.weight",
    "layer.1.EncDecAttention.o.weight": "reads.encoder.out.weight",
}
_DENSE = {"wi.weight": "feedforward.up.weight", "wo.weight": "feedforward.down.weight"}
_GATED = {
    "wi_0.weight": "feedforward.gate.weight",
    "wi_1.weight": "feedforward.up.weight",
    "wo.weight": "feedforward.down.weight",
}


@final
class T5(Conversion):
    """Encoder, decoder and head. A checkpoint whose `tie_word_embeddings` is false keeps the head that it has.

    Differs from transformers 5, which ties every T5 and so replaces the head of FLAN-T5 and T5 v1.1 by the embeddings.
    Their decoder starts with the padding token, so generation from a converted model starts with it, too.
    """

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        tied = _tied(theirs)
        # Before version 5, transformers took the scale from the tying; since then T5's config names it, and a tied mT5
        # (there are none but those that version 5 wrote) has none.
        scaled = tied and theirs["model_type"] != "mt5" and theirs.get("scale_decoder_outputs", True)
        scale = theirs["d_model"] ** -0.5 if scaled else 1.0
        own: dict[str, Any] = {"class": "unimodal.heads.OwnHead"}
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["d_model"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": {"class": "unimodal.heads.TiedHead", "scale": scale} if tied else own,
            "prenets": {"text": "unimodal.prenets.text.TextPrenet"},
            "postnets": {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": _stack(theirs, _depths(theirs)["encoder"], decoder=False),
                "decoder": _stack(theirs, _depths(theirs)["decoder"], decoder=True),
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        ours = {"shared.weight": "embedding.weight"}
        copies = {f"{stack}.embed_tokens.weight": "shared.weight" for stack in ("encoder", "decoder")}
        if _tied(theirs):
            copies["lm_head.weight"] = "shared.weight"
        else:
            ours["lm_head.weight"] = "head.project.weight"
        for stack, depth in _depths(theirs).items():
            ours[f"{stack}.final_layer_norm.weight"] = f"backbone.{stack}.final_norm.norm.weight"
            for block in range(_num_biases(theirs, depth)):
                position = "position" if block == 0 else f"other_positions.{block - 1}"
                ours[f"{stack}.block.{block}.{_BUCKETS}"] = f"backbone.{stack}.{position}.table.weight"
            read = _READ if stack == "decoder" else {}
            blocks = _MIXER | read | _feedforward(theirs, layer=2 if read else 1)
            ours |= per_block(blocks, depth, theirs=f"{stack}.block", ours=f"backbone.{stack}.blocks")
        return KeyMap(ours=ours, copies=copies)


def _tied(theirs: Mapping[str, Any]) -> bool:
    return bool(theirs.get("tie_word_embeddings", True))


def _depths(theirs: Mapping[str, Any]) -> dict[str, int]:
    depth = theirs["num_layers"]
    return {"encoder": depth, "decoder": theirs.get("num_decoder_layers") or depth}


def _num_biases(theirs: Mapping[str, Any], depth: int) -> int:
    """How many blocks of a stack have buckets of their own: all of UMT5's, otherwise the first one lends its to all."""
    return depth if theirs["model_type"] == "umt5" else 1


def _feedforward(theirs: Mapping[str, Any], *, layer: int) -> dict[str, str]:
    inner = _GATED if _projection(theirs)[0] else _DENSE
    named = {f"layer.{layer}.DenseReluDense.{name}": own for name, own in inner.items()}
    return {f"layer.{layer}.layer_norm.weight": "feedforward_residual.norm.weight"} | named


def _projection(theirs: Mapping[str, Any]) -> tuple[bool, str]:
    """(gated, import path of the activation) from `relu`, `gated-gelu` ..."""
    name = theirs.get("feed_forward_proj", "relu")
    gated, activation = name.startswith("gated-"), name.removeprefix("gated-")
    activation = "gelu_new" if name == "gated-gelu" else activation  # what T5 v1.1 was trained with
    if activation not in ACTIVATIONS:
        raise ValueError(f"feed_forward_proj: '{name}' is none of {', '.join(ACTIVATIONS)}, gated- or not")
    return gated, ACTIVATIONS[activation]


def _stack(theirs: Mapping[str, Any], depth: int, *, decoder: bool) -> dict[str, Any]:
    dropout, heads = float(theirs.get("dropout_rate", 0.1)), theirs["num_heads"]
    gated, activation = _projection(theirs)
    norm = {"class": "unimodal.norms.RMSNorm", "epsilon": theirs.get("layer_norm_epsilon", 1e-6)}
    attention = {
        "heads": heads,
        "head_dim": theirs["d_kv"],
        "scale": 1.0,
        "biases": [],
        "dropout": dropout,
    }
    position = {
        "class": "unimodal.positions.bucketed.Bucketed",
        "heads": heads,
        "num_buckets": theirs.get("relative_attention_num_buckets", 32),
        "longest": theirs.get("relative_attention_max_distance", 128),
        "bidirectional": not decoder,
    }
    reading = {
        "class": "unimodal.block.Reading",
        "memory": "encoder",
        "mixer": {"class": "unimodal.mixers.attention.CrossAttention", **attention},
    }
    return {
        "class": "unimodal.stack.Stack",
        "depth": depth,
        "mask": "unimodal.masks.causal.Causal" if decoder else "unimodal.masks.full.Full",
        "position": [position] * _num_biases(theirs, depth),
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": {"class": "unimodal.norms.Dropped", "norm": "unimodal.norms.NoNorm", "rate": dropout},
        "final_norm": {"class": "unimodal.norms.Dropped", "norm": norm, "rate": dropout},
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {"class": "unimodal.mixers.attention.SelfAttention", **attention},
            "reads": [reading] if decoder else [],
            "feedforward": {
                "class": "unimodal.feedforwards.gated.Gated" if gated else "unimodal.feedforwards.dense.Dense",
                "hidden": theirs["d_ff"],
                "activation": activation,
                "bias": False,
                "dropout": dropout,
            },
            "residual": {"class": "unimodal.residuals.PreNorm", "norm": norm, "dropout": dropout},
        },
    }
