"""T5Gemma: an encoder and a decoder made of Gemma 2's blocks (Zhang et al. 2025, 2504.06225; Gemma 2, 2408.00118)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import activation_of

Theirs = Mapping[str, Any]

_PROJECTIONS = {"q_proj": "query", "k_proj": "key", "v_proj": "value", "o_proj": "out"}
_FEEDFORWARD = {
    "mlp.gate_proj.weight": "feedforward.gate.weight",
    "mlp.up_proj.weight": "feedforward.up.weight",
    "mlp.down_proj.weight": "feedforward.down.weight",
}
_RESIDUALS = {"self_attn": "mixer_residual", "feedforward": "feedforward_residual"}
_EMBEDDING = "model.decoder.embed_tokens.weight"
_HEAD = "lm_head.out_proj.weight"


@final
class T5Gemma(Conversion):
    """Encoder, decoder and head; each stack has its own settings, width, vocabulary and token table.

    Their encoder hides padding that no mask names; ours hides what the mask names.
    """

    def config(self, theirs: Theirs) -> dict[str, Any]:
        encoder, decoder = theirs["encoder"], theirs["decoder"]
        head: dict[str, Any] = {"class": f"unimodal.heads.{'TiedHead' if _tied(theirs) else 'OwnHead'}"}
        cap = decoder["final_logit_softcapping"]
        source = {
            "class": "unimodal.prenets.source_text.SourceTextPrenet",
            "num_tokens": encoder["vocab_size"],
            "width": encoder["hidden_size"],
        }
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": decoder["vocab_size"]}]},
            "dim": decoder["hidden_size"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": head if cap is None else {"class": "unimodal.heads.Capped", "head": head, "cap": float(cap)},
            "prenets": {"source": source, "text": "unimodal.prenets.text.TextPrenet"},
            "postnets": {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder_dim": encoder["hidden_size"],
                "encoder": _stack(theirs, "encoder"),
                "decoder": _stack(theirs, "decoder"),
            },
        }

    def keys(self, theirs: Theirs) -> KeyMap:
        ours = {"model.encoder.embed_tokens.weight": "prenets.source.table.weight", _EMBEDDING: "embedding.weight"}
        copies = {}
        if _tied(theirs):
            copies[_HEAD] = _EMBEDDING
        else:
            capped = theirs["decoder"]["final_logit_softcapping"] is not None
            ours[_HEAD] = f"{'head.head' if capped else 'head'}.project.weight"
        for stack in ("encoder", "decoder"):
            ours[f"model.{stack}.norm.weight"] = f"backbone.{stack}.final_norm.norm.weight"
            ours |= per_block(
                _block(theirs[stack], decoder=stack == "decoder"),
                theirs[stack]["num_hidden_layers"],
                theirs=f"model.{stack}.layers",
                ours=f"backbone.{stack}.blocks",
            )
        return KeyMap(ours=ours, copies=copies)


def _tied(theirs: Theirs) -> bool:
    return bool(theirs["tie_word_embeddings"])


def _block(stack: Theirs, *, decoder: bool) -> dict[str, str]:
    residuals = {**_RESIDUALS, **({"cross_attn": "read_residuals.encoder"} if decoder else {})}
    mixers = {"self_attn": "mixer", **({"cross_attn": "reads.encoder"} if decoder else {})}
    capped = stack["attn_logit_softcapping"] is not None
    parts = ("weight", "bias") if stack["attention_bias"] else ("weight",)
    named = dict(_FEEDFORWARD)
    for name, own in residuals.items():
        norm = f"{name}_layernorm.weight"
        named |= {f"pre_{norm}": f"{own}.before.weight", f"post_{norm}": f"{own}.after.weight"}
    for name, own in mixers.items():
        place = f"{own}.mixer" if capped else own
        for projection, ours in _PROJECTIONS.items():
            named |= {f"{name}.{projection}.{part}": f"{place}.{ours}.{part}" for part in parts}
    return named


def _stack(theirs: Theirs, name: str) -> dict[str, Any]:
    stack, decoder, dropout = theirs[name], name == "decoder", float(theirs["dropout_rate"])
    norm = {"class": "unimodal.norms.RMSNorm", "epsilon": stack["rms_norm_eps"], "offset": 1.0}
    attention = {
        "heads": stack["num_attention_heads"],
        "groups": stack["num_key_value_heads"],
        "head_dim": stack["head_dim"],
        "scale": stack["query_pre_attn_scalar"] ** -0.5,
        "biases": list(_PROJECTIONS.values()) if stack["attention_bias"] else [],
        "dropout": float(theirs["attention_dropout"]),
    }
    reading = {"class": "unimodal.mixers.attention.CrossAttention", **attention}
    reading["memory_dim"] = theirs["encoder"]["hidden_size"]
    mixer = {"class": "unimodal.mixers.attention.SelfAttention", **attention}
    return {
        "class": "unimodal.stack.Stack",
        "depth": stack["num_hidden_layers"],
        "mask": _masks(stack, where=name, causal=decoder),
        "position": {"class": "unimodal.positions.rotary.Rotary", "base": _base(stack, where=name)},
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": {"class": "unimodal.norms.Dropped", "norm": "unimodal.norms.RootScaled", "rate": dropout},
        "final_norm": {"class": "unimodal.norms.Dropped", "norm": norm, "rate": dropout},
        "block": {
            "class": "unimodal.block.Block",
            "mixer": _capped(stack, mixer),
            "reads": [{"class": "unimodal.block.Reading", "memory": "encoder", "mixer": _capped(stack, reading)}]
            if decoder
            else [],
            "feedforward": {
                "class": "unimodal.feedforwards.gated.Gated",
                "hidden": stack["intermediate_size"],
                "activation": activation_of(stack, "hidden_activation"),
                "dropout": dropout,
            },
            "residual": {"class": "unimodal.residuals.Sandwich", "norm": norm, "dropout": dropout},
        },
    }


def _capped(stack: Theirs, mixer: dict[str, Any]) -> dict[str, Any]:
    cap = stack["attn_logit_softcapping"]
    return mixer if cap is None else {"class": "unimodal.mixers.capped.Capped", "mixer": mixer, "cap": float(cap)}


def _masks(stack: Theirs, *, where: str, causal: bool) -> list[Any]:
    """The masks that the blocks take in turn: the shortest list which, repeated, is that of all blocks."""
    types, width = list(stack["layer_types"]), stack["sliding_window"]
    if len(types) != stack["num_hidden_layers"]:
        raise ValueError(f"{where}.layer_types: names {len(types)} blocks of {stack['num_hidden_layers']}")
    masks: dict[str, Any] = {"full_attention": f"unimodal.masks.{'causal.Causal' if causal else 'full.Full'}"}
    if width is not None:
        # Their window of an encoder reaches as far behind as before, and one position farther than a decoder's.
        reach = {"width": width} if causal else {"width": width + 1, "ahead": width}
        masks["sliding_attention"] = {"class": "unimodal.masks.window.Window", **reach}
    for name in types:
        if name not in masks:
            raise ValueError(f"{where}.layer_types: '{name}' is none of {', '.join(masks)}")
    period = next(size for size in range(1, len(types) + 1) if types == (types[:size] * len(types))[: len(types)])
    return [masks[name] for name in types[:period]]


def _base(stack: Theirs, *, where: str) -> float:
    """Of rotary positions; older files name it beside their other settings."""
    rotary = stack["rope_parameters"]
    if rotary.get("rope_type", "default") != "default":
        raise ValueError(f"{where}.rope_parameters: rope_type: '{rotary['rope_type']}' is not default")
    return float(stack.get("rope_theta", rotary["rope_theta"]))
