"""The vision transformer and its distilled kin: pre-norm over patches (Dosovitskiy et al. 2021, 2010.11929)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, Reshaped, per_block
from unimodal.conversions.activations import activation_of
from unimodal.conversions.architectures import architecture
from unimodal.conversions.stacks import affine

_TOKENS = {"vit": ("cls_token",), "deit": ("cls_token", "distillation_token")}
"""What stands before the patches, by model_type (DeiT: Touvron et al. 2021, 2012.12877)."""


_PROJECTIONS = ("query", "key", "value")
_BLOCK = affine(
    {
        "layernorm_before": "mixer_residual.norm",
        "attention.output.dense": "mixer.out",
        "layernorm_after": "feedforward_residual.norm",
        "intermediate.dense": "feedforward.up",
        "output.dense": "feedforward.down",
    }
)
_POOLER = affine({"pooler.dense": "backbone.pooler.project"})


@final
class VisionTransformer(Conversion):
    """The body, whose pooler a file may lack, or the classifier, which scores the labels from the first entry."""

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        if _classifies(theirs):
            pooler: Any = "unimodal.poolers.First"
            head: Any = {"class": "unimodal.heads.LabelHead", "labels": _num_labels(theirs)}
        else:
            pooler, head = _pooler(theirs), "unimodal.heads.NoHead"
        return {
            # It reads and writes no tokens, and a space has five at least.
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": 5}]},
            "dim": theirs["hidden_size"],
            "arrangement": "unimodal.batching.EncoderOnly",
            "head": head,
            "prenets": {"image": vision_prenet(theirs)},
            "postnets": {},
            "backbone": {"class": "unimodal.backbone.Backbone", "encoder": vision_stack(theirs), "pooler": pooler},
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        if not _classifies(theirs):
            ours, reshaped = vision_keys(theirs)
            return KeyMap(
                ours=ours | _POOLER,
                reshaped=reshaped,
                parts={"backbone.pooler": tuple(_POOLER)},
                absent=("embedding.weight",),
            )
        ours, reshaped = vision_keys(theirs, prefix=f"{theirs['model_type']}.")
        ours |= affine({"classifier": "head.project"})
        return KeyMap(ours=ours, reshaped=reshaped, absent=("embedding.weight",))


def vision_prenet(theirs: Mapping[str, Any], *, width: int | None = None) -> dict[str, Any]:
    """The spec of the pre-net; `width` is the encoder's where it is not the model's."""
    return {
        "class": "unimodal.prenets.fixed_image.FixedImagePrenet",
        "size": _pair(theirs, "image_size"),
        "patch": _pair(theirs, "patch_size"),
        "channels": theirs["num_channels"],
        "num_tokens": len(_TOKENS[theirs["model_type"]]),
        "width": width,
    }


def vision_stack(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of the encoder; it adds the positions."""
    dropout = float(theirs["hidden_dropout_prob"])
    norm = {"class": "unimodal.norms.LayerNorm", "epsilon": theirs["layer_norm_eps"]}
    return {
        "class": "unimodal.stack.Stack",
        "depth": theirs["num_hidden_layers"],
        "mask": "unimodal.masks.full.Full",
        "position": {"class": "unimodal.positions.learned.Learned", "longest": _num_entries(theirs)},
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": {"class": "unimodal.norms.Dropped", "norm": "unimodal.norms.NoNorm", "rate": dropout},
        "final_norm": norm,
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {
                "class": "unimodal.mixers.attention.SelfAttention",
                "heads": theirs["num_attention_heads"],
                "head_dim": theirs.get("head_dim"),  # in no released checkpoint, but transformers reads it
                "biases": [*_biased(theirs), "out"],
                "dropout": float(theirs["attention_probs_dropout_prob"]),
            },
            "reads": [],
            "feedforward": {
                "class": "unimodal.feedforwards.dense.Dense",
                "hidden": theirs["intermediate_size"],
                "activation": activation_of(theirs, "hidden_act"),
            },
            "residual": {"class": "unimodal.residuals.PreNorm", "norm": norm, "dropout": dropout},
        },
    }


def vision_keys(theirs: Mapping[str, Any], *, prefix: str = "") -> tuple[dict[str, str], dict[str, Reshaped]]:
    """(their names -> ours, reshaped) of pre-net and encoder, whose names begin with `prefix` in their file."""
    dim, channels = theirs["hidden_size"], theirs["num_channels"]
    height, width = _pair(theirs, "patch_size")
    embeddings, projection = f"{prefix}embeddings", f"{prefix}embeddings.patch_embeddings.projection"
    ours = affine({f"{prefix}layernorm": "backbone.encoder.final_norm", projection: "prenets.image.project"})
    reshaped = {
        f"{projection}.weight": Reshaped(theirs=(dim, channels, height, width), ours=(dim, channels * height * width))
    }
    for place, token in enumerate(_TOKENS[theirs["model_type"]]):
        ours[f"{embeddings}.{token}"] = f"prenets.image.tokens.{place}.weight"
        reshaped[f"{embeddings}.{token}"] = Reshaped(theirs=(1, 1, dim), ours=(1, dim))
    entries = _num_entries(theirs)
    ours[f"{embeddings}.position_embeddings"] = "backbone.encoder.position.table.weight"
    reshaped[f"{embeddings}.position_embeddings"] = Reshaped(theirs=(1, entries, dim), ours=(entries, dim))
    block = _BLOCK | {f"attention.attention.{name}.weight": f"mixer.{name}.weight" for name in _PROJECTIONS}
    block |= {f"attention.attention.{name}.bias": f"mixer.{name}.bias" for name in _biased(theirs)}
    depth = theirs["num_hidden_layers"]
    return ours | per_block(block, depth, theirs=f"{prefix}encoder.layer", ours="backbone.encoder.blocks"), reshaped


def _classifies(theirs: Mapping[str, Any]) -> bool:
    return architecture(theirs, "Model", "ForImageClassification") != "Model"


def _num_labels(theirs: Mapping[str, Any]) -> int:
    labels, problem = len(theirs["id2label"]), theirs.get("problem_type")
    if labels < 2:
        raise ValueError(f"id2label: a classifier chooses among two labels at least, not {labels}")
    if problem not in (None, "single_label_classification"):
        raise ValueError(f"problem_type: one label is right for a picture, and '{problem}' says otherwise")
    return labels


def _pooler(theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "class": "unimodal.poolers.FirstMapped",
        "activation": activation_of(theirs, "pooler_act"),
        "width": theirs["pooler_output_size"],
    }


def _biased(theirs: Mapping[str, Any]) -> tuple[str, ...]:
    return _PROJECTIONS if theirs["qkv_bias"] else ()


def _pair(theirs: Mapping[str, Any], field: str) -> list[int]:
    """(height, width) of a field that may be one number for both."""
    size = theirs[field]
    pair = list(size) if isinstance(size, list | tuple) else [size, size]
    if len(pair) != 2 or not all(type(side) is int and side > 0 for side in pair):
        raise ValueError(f"{field}: expected a height and a width from 1 on, got {size}")
    return pair


def _num_entries(theirs: Mapping[str, Any]) -> int:
    picture, patch = _pair(theirs, "image_size"), _pair(theirs, "patch_size")
    num_patches = (picture[0] // patch[0]) * (picture[1] // patch[1])
    return len(_TOKENS[theirs["model_type"]]) + num_patches
