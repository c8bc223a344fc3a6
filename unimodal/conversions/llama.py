"""Llama, Mistral, Qwen2: decoders alone, with rotary positions and gated feed-forwards.

Touvron et al. 2023 (2302.13971, 2307.09288), Jiang et al. 2023 (2310.06825), Yang et al. 2024 (2407.10671).
"""

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import activation_of
from unimodal.conversions.architectures import architecture

_PROJECTIONS = {"query": "q_proj", "key": "k_proj", "value": "v_proj", "out": "o_proj"}
_BLOCK = {
    "input_layernorm.weight": "mixer_residual.norm.weight",
    "post_attention_layernorm.weight": "feedforward_residual.norm.weight",
}
_FEEDFORWARD = {"gate_proj": "gate", "up_proj": "up", "down_proj": "down"}


class RotaryDecoder(Conversion):
    """What these families share; abstract. The architecture is `...ForCausalLM`, or `...Model`, which has no head."""

    @abstractmethod
    def biases(self, theirs: Mapping[str, Any]) -> Sequence[str]:
        """The projections of an attention that have a bias."""

    @abstractmethod
    def windows(self, theirs: Mapping[str, Any]) -> Sequence[int | None]:
        """How far back blocks see, taken in turn; None: to the first entry."""

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["hidden_size"],
            "arrangement": "unimodal.batching.DecoderOnly",
            "head": _head(theirs),
            "prenets": {"text": "unimodal.prenets.text.TextPrenet"},
            "postnets": {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "decoder": {
                    "class": "unimodal.stack.Stack",
                    "depth": theirs["num_hidden_layers"],
                    "mask": [_mask(window) for window in self.windows(theirs)],
                    "position": _position(theirs),
                    "plan": "unimodal.plans.sequential.Sequential",
                    "input_norm": "unimodal.norms.NoNorm",
                    "final_norm": _norm(theirs),
                    "block": _block(theirs, list(self.biases(theirs))),
                },
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        body = "" if _is_bare(theirs) else "model."
        ours = {
            f"{body}embed_tokens.weight": "embedding.weight",
            f"{body}norm.weight": "backbone.decoder.final_norm.weight",
        }
        block = {f"self_attn.{their}.weight": f"mixer.{name}.weight" for name, their in _PROJECTIONS.items()}
        block |= {f"self_attn.{_PROJECTIONS[name]}.bias": f"mixer.{name}.bias" for name in self.biases(theirs)}
        for kind in ("weight", "bias") if _has_feedforward_bias(theirs) else ("weight",):
            block |= {f"mlp.{their}.{kind}": f"feedforward.{name}.{kind}" for their, name in _FEEDFORWARD.items()}
        depth = theirs["num_hidden_layers"]
        ours |= per_block(_BLOCK | block, depth, theirs=f"{body}layers", ours="backbone.decoder.blocks")
        copies = {}
        if not _is_bare(theirs) and theirs["tie_word_embeddings"]:
            copies["lm_head.weight"] = "model.embed_tokens.weight"
        elif not _is_bare(theirs):
            ours["lm_head.weight"] = "head.project.weight"
        rates = tuple(f"{body}layers.{block}.self_attn.rotary_emb.inv_freq" for block in range(depth))
        return KeyMap(ours=ours, copies=copies, ignored=rates)


@final
class Llama(RotaryDecoder):
    """Llama 1 to 3, SmolLM2 and whatever else calls itself so."""

    def biases(self, theirs: Mapping[str, Any]) -> Sequence[str]:
        return tuple(_PROJECTIONS) if theirs.get("attention_bias") else ()

    def windows(self, theirs: Mapping[str, Any]) -> Sequence[int | None]:
        return (None,)


@final
class Mistral(RotaryDecoder):
    """Without biases; every block may see through a sliding window alone."""

    def biases(self, theirs: Mapping[str, Any]) -> Sequence[str]:
        return ()

    def windows(self, theirs: Mapping[str, Any]) -> Sequence[int | None]:
        return (theirs["sliding_window"],)


@final
class Qwen2(RotaryDecoder):
    """Queries, keys and values have biases; the upper blocks may see through a sliding window."""

    def biases(self, theirs: Mapping[str, Any]) -> Sequence[str]:
        return "query", "key", "value"

    def windows(self, theirs: Mapping[str, Any]) -> Sequence[int | None]:
        kinds = {"full_attention": None, "sliding_attention": theirs["sliding_window"]}
        unknown = set(theirs["layer_types"]) - kinds.keys()
        if unknown or len(theirs["layer_types"]) != theirs["num_hidden_layers"]:
            raise ValueError(f"layer_types: names {', '.join(kinds)} for each of num_hidden_layers blocks")
        windows = [kinds[kind] for kind in theirs["layer_types"]]
        return windows if len(set(windows)) > 1 else windows[:1]


def _is_bare(theirs: Mapping[str, Any]) -> bool:
    return architecture(theirs, "ForCausalLM", "Model") == "Model"


def _has_feedforward_bias(theirs: Mapping[str, Any]) -> bool:
    return theirs["model_type"] == "llama" and bool(theirs.get("mlp_bias"))


def _head(theirs: Mapping[str, Any]) -> str:
    if _is_bare(theirs):
        return "unimodal.heads.NoHead"
    return "unimodal.heads.TiedHead" if theirs["tie_word_embeddings"] else "unimodal.heads.OwnHead"


def _mask(window: int | None) -> str | dict[str, Any]:
    if window is None:
        return "unimodal.masks.causal.Causal"
    return {"class": "unimodal.masks.window.Window", "width": window}


def _norm(theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {"class": "unimodal.norms.RMSNorm", "epsilon": theirs["rms_norm_eps"]}


def _block(theirs: Mapping[str, Any], biases: list[str]) -> dict[str, Any]:
    heads = theirs["num_attention_heads"]
    return {
        "class": "unimodal.block.Block",
        "mixer": {
            "class": "unimodal.mixers.attention.SelfAttention",
            "heads": heads,
            "groups": theirs.get("num_key_value_heads") or heads,
            "head_dim": theirs.get("head_dim") or theirs["hidden_size"] // heads,
            "biases": biases,
            "dropout": float(theirs["attention_dropout"] or 0),
        },
        "feedforward": {
            "class": "unimodal.feedforwards.gated.Gated",
            "hidden": theirs["intermediate_size"],
            "activation": activation_of(theirs, "hidden_act"),
            "bias": _has_feedforward_bias(theirs),
        },
        "residual": {"class": "unimodal.residuals.PreNorm", "norm": _norm(theirs)},
    }


def _position(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Rotary positions from `rope_parameters`, which older files spell `rope_theta` and `rope_scaling`."""
    older = {"rope_theta": theirs.get("rope_theta", 10000.0), **(theirs.get("rope_scaling") or {})}
    given = theirs.get("rope_parameters") or older
    if given.get("partial_rotary_factor", 1.0) != 1.0:
        raise ValueError("partial_rotary_factor: positions turn whole heads here")
    kind = given.get("rope_type", given.get("type", "default"))
    scalings = {
        "default": lambda: None,
        "linear": lambda: {"class": "unimodal.scalings.Linear", "factor": float(given["factor"])},
        "llama3": lambda: {
            "class": "unimodal.scalings.Banded",
            "factor": float(given["factor"]),
            "slow_turns": float(given["low_freq_factor"]),
            "quick_turns": float(given["high_freq_factor"]),
            "trained_length": given["original_max_position_embeddings"],
        },
    }
    if kind not in scalings:
        raise ValueError(f"rope_type: '{kind}' is none of {', '.join(scalings)}")
    base = float(given.get("rope_theta", older["rope_theta"]))
    return {"class": "unimodal.positions.rotary.Rotary", "base": base, "scaling": scalings[kind]()}
