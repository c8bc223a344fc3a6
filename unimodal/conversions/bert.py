"""BERT and RoBERTa: encoders alone, post-norm, learned positions (Devlin et al. 2019, 1810.04805; Liu et al. 2019,
1907.11692).

Sentence encoders (MiniLM) are bare BERTs, encoders of code (UniXcoder) bare RoBERTas.
"""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import activation_of
from unimodal.conversions.architectures import architecture

_KINDS = ("weight", "bias")
_EMBEDDINGS = {
    "embeddings.word_embeddings.weight": "embedding.weight",
    "embeddings.position_embeddings.weight": "prenets.text.position.table.weight",
    "embeddings.token_type_embeddings.weight": "prenets.text.types.weight",
    "embeddings.LayerNorm.weight": "backbone.encoder.input_norm.norm.weight",
    "embeddings.LayerNorm.bias": "backbone.encoder.input_norm.norm.bias",
}
_BLOCK = {
    "attention.self.query": "mixer.query",
    "attention.self.key": "mixer.key",
    "attention.self.value": "mixer.value",
    "attention.output.dense": "mixer.out",
    "attention.output.LayerNorm": "mixer_residual.norm",
    "intermediate.dense": "feedforward.up",
    "output.dense": "feedforward.down",
    "output.LayerNorm": "feedforward_residual.norm",
}
_POOLER = {f"pooler.dense.{kind}": f"backbone.pooler.project.{kind}" for kind in _KINDS}
_BEFORE_2019 = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}


class MaskedEncoder(Conversion):
    """What both families share; abstract. The architecture is `...Model` or `...ForMaskedLM`.

    A bare model has a pooler where its file holds one. Files of a model with a head may hold the pooler and the
    next-sentence head of its training, too, which transformers leaves out, and so do we.
    """

    @abstractmethod
    def body(self) -> str:
        """The name of the body below a head."""

    @abstractmethod
    def head(self) -> dict[str, str]:
        """Their name -> ours, of the head's tensors."""

    @abstractmethod
    def copies(self) -> dict[str, str]:
        """Second names of the head's tensors -> their first."""

    @abstractmethod
    def padding(self, theirs: Mapping[str, Any]) -> int | None:
        """The token that positions do not count; None: they count all."""

    @abstractmethod
    def head_activation(self, theirs: Mapping[str, Any]) -> str:
        """Import path of the activation inside the head."""

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        _check(theirs)
        padding = self.padding(theirs)
        text = {
            "class": "unimodal.prenets.typed_text.TypedTextPrenet",
            "longest": theirs["max_position_embeddings"] - (0 if padding is None else padding + 1),
            "num_types": theirs["type_vocab_size"],
            "padding": padding,
        }
        backbone: dict[str, Any] = {"class": "unimodal.backbone.Backbone", "encoder": _encoder(theirs)}
        if _is_bare(theirs):
            activation = "unimodal.activations.Tanh"
            backbone["pooler"] = {"class": "unimodal.poolers.FirstMapped", "activation": activation}
        head = {
            "class": "unimodal.heads.Transformed",
            "head": {"class": "unimodal.heads.TiedHead", "bias": True},
            "activation": self.head_activation(theirs),
            "norm": _norm(theirs),
        }
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["hidden_size"],
            "arrangement": "unimodal.batching.EncoderOnly",
            "head": "unimodal.heads.NoHead" if _is_bare(theirs) else head,
            "prenets": {"text": text},
            "postnets": {},
            "backbone": backbone,
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        block = {f"{their}.{kind}": f"{our}.{kind}" for their, our in _BLOCK.items() for kind in _KINDS}
        depth = theirs["num_hidden_layers"]
        body = _EMBEDDINGS | per_block(block, depth, theirs="encoder.layer", ours="backbone.encoder.blocks")
        prefix = f"{self.body()}."
        if _is_bare(theirs):
            ours, copies = body | _POOLER, {}
            parts = {"backbone.pooler": tuple(_POOLER)}
            other = {name: f"{prefix}{name}" for name in ours}  # saved from below a head
            ignored = ("embeddings.position_ids", f"{prefix}embeddings.position_ids", *self.head(), *self.copies())
        else:
            ours, copies = {f"{prefix}{name}": own for name, own in body.items()} | self.head(), self.copies()
            parts, other = {}, {}
            ignored = tuple(f"{prefix}{name}" for name in ("embeddings.position_ids", *_POOLER))
        ignored += tuple(f"cls.seq_relationship.{kind}" for kind in _KINDS)
        spellings = {old: name for name in ours for old in _older(name) + _older(other.get(name, name))}
        spellings = {old: name for old, name in spellings.items() if old != name}
        return KeyMap(ours=ours, copies=copies, parts=parts, spellings=spellings, ignored=ignored)


@final
class Bert(MaskedEncoder):
    """BERT, and what was distilled from it."""

    def body(self) -> str:
        return "bert"

    def head(self) -> dict[str, str]:
        layers = {"transform.dense": "head.transform", "transform.LayerNorm": "head.norm"}
        named = {f"cls.predictions.{their}.{kind}": f"{our}.{kind}" for their, our in layers.items() for kind in _KINDS}
        return {**named, "cls.predictions.bias": "head.head.bias"}

    def copies(self) -> dict[str, str]:
        return {
            "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
            "cls.predictions.decoder.bias": "cls.predictions.bias",
        }

    def padding(self, theirs: Mapping[str, Any]) -> int | None:
        return None

    def head_activation(self, theirs: Mapping[str, Any]) -> str:
        return activation_of(theirs, "hidden_act")


@final
class Roberta(MaskedEncoder):
    """RoBERTa: positions begin behind the padding token's number, and the head's activation is always GELU."""

    def body(self) -> str:
        return "roberta"

    def head(self) -> dict[str, str]:
        layers = {"dense": "head.transform", "layer_norm": "head.norm"}
        named = {f"lm_head.{their}.{kind}": f"{our}.{kind}" for their, our in layers.items() for kind in _KINDS}
        return {**named, "lm_head.bias": "head.head.bias"}

    def copies(self) -> dict[str, str]:
        return {
            "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
            "lm_head.decoder.bias": "lm_head.bias",
        }

    def padding(self, theirs: Mapping[str, Any]) -> int | None:
        padding: int | None = theirs["pad_token_id"]
        if padding is None:
            raise ValueError("pad_token_id: positions begin behind it, so it may not be null")
        return padding

    def head_activation(self, theirs: Mapping[str, Any]) -> str:
        return "unimodal.activations.GELU"


def _check(theirs: Mapping[str, Any]) -> None:
    for field in ("is_decoder", "add_cross_attention"):
        if theirs.get(field):
            raise ValueError(f"{field}: this family is read as an encoder")
    if theirs.get("position_embedding_type", "absolute") != "absolute":
        raise ValueError(f"position_embedding_type: '{theirs['position_embedding_type']}' is not absolute")
    if not _is_bare(theirs) and not theirs["tie_word_embeddings"]:
        raise ValueError("tie_word_embeddings: a masked language model of this family reads its embeddings backwards")


def _is_bare(theirs: Mapping[str, Any]) -> bool:
    return architecture(theirs, "Model", "ForMaskedLM") == "Model"


def _older(name: str) -> list[str]:
    """The name, and how files of the first years spell it."""
    ending = next((ending for ending in _BEFORE_2019 if name.endswith(ending)), None)
    return [name] if ending is None else [name, name.removesuffix(ending) + _BEFORE_2019[ending]]


def _norm(theirs: Mapping[str, Any]) -> dict[str, Any]:
    return {"class": "unimodal.norms.LayerNorm", "epsilon": theirs["layer_norm_eps"]}


def _encoder(theirs: Mapping[str, Any]) -> dict[str, Any]:
    dropout = float(theirs["hidden_dropout_prob"])
    return {
        "class": "unimodal.stack.Stack",
        "depth": theirs["num_hidden_layers"],
        "mask": "unimodal.masks.full.Full",
        "position": "unimodal.positions.none.NoPosition",
        "plan": "unimodal.plans.sequential.Sequential",
        "input_norm": {"class": "unimodal.norms.Dropped", "norm": _norm(theirs), "rate": dropout},
        "final_norm": "unimodal.norms.NoNorm",
        "block": {
            "class": "unimodal.block.Block",
            "mixer": {
                "class": "unimodal.mixers.attention.SelfAttention",
                "heads": theirs["num_attention_heads"],
                "dropout": float(theirs["attention_probs_dropout_prob"]),
            },
            "feedforward": {
                "class": "unimodal.feedforwards.dense.Dense",
                "hidden": theirs["intermediate_size"],
                "activation": activation_of(theirs, "hidden_act"),
            },
            "residual": {"class": "unimodal.residuals.PostNorm", "norm": _norm(theirs), "dropout": dropout},
        },
    }
