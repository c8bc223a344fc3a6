"""What BART and its relatives share: one table of names, and a stack that they vary in five ways.

What theirs do in training only and ours do not (LayerDrop) is not taken over.
"""

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from unimodal.conversions import Conversion, KeyMap, Reshaped, per_block
from unimodal.conversions.activations import activation_of
from unimodal.conversions.stacks import affine, block_names, stack_spec

_POSITIONS = "embed_positions.weight"
_SOURCE, _TARGET, _SHARED = "encoder.embed_tokens.weight", "decoder.embed_tokens.weight", "shared.weight"
_HEAD, _BIAS = "lm_head.weight", "final_logits_bias"


@dataclass(frozen=True, kw_only=True)
class Variant:
    """What tells the relatives apart."""

    position: Mapping[str, Any]
    """The spec of the positions."""
    learned: bool
    """Whether the positions are weights."""
    pre_norm: bool
    """Whether sublayers normalise what they read, and stacks what they give; else sublayers normalise the sum."""
    embedding_norm: bool
    """Whether embeddings are normalised once positions are added."""
    output_bias: bool
    """Whether each token has a bias of its own in the logits."""
    own_target: int | None = None
    """The size of the vocabulary that is written, where it is not the one that is read."""


class BartBody(Conversion):
    """Encoder, decoder and head; abstract.

    A checkpoint whose `tie_word_embeddings` is false has a table for each side and a head: transformers 5 reads it so,
    and so is it written. Files of older versions hold one table for both sides, which then stands in for the two. Files
    of the model without a head get the tied head. `inputs_embeds` are taken as they are, where Marian's and Pegasus'
    own code scales them.
    """

    @abstractmethod
    def variant(self, theirs: Mapping[str, Any]) -> Variant:
        """How a checkpoint with their `config.json` differs from its relatives."""

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        variant = self.variant(theirs)
        scale = theirs["d_model"] ** 0.5 if theirs["scale_embedding"] else 1.0
        prenets: dict[str, Any] = {"text": "unimodal.prenets.text.TextPrenet"}
        if not _has_one_table(theirs, variant):
            prenets["source"] = {
                "class": "unimodal.prenets.source_text.SourceTextPrenet",
                "num_tokens": theirs["vocab_size"],
                "scale": scale,
            }
        head = "unimodal.heads.TiedHead" if _is_tied(theirs) else "unimodal.heads.OwnHead"
        return {
            "vocabulary": {
                "class": "unimodal.vocabulary.TokenSpace",
                "ranges": [{"text": _num_written(theirs, variant)}],
            },
            "dim": theirs["d_model"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": {"class": head, "bias": variant.output_bias},
            "prenets": prenets,
            "postnets": {},
            "embedding_scale": scale,
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": spec_of_stack(theirs, variant, "encoder"),
                "decoder": spec_of_stack(theirs, variant, "decoder"),
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        variant = self.variant(theirs)
        body, other = ("", "model.") if _is_bare(theirs) else ("model.", "")
        tables, copies, stand_ins = _tables(theirs, variant, body)
        ours, ignored = dict(tables), [f"{body}{_SHARED}"]
        for stack in ("encoder", "decoder"):
            names = stack_names(theirs, variant, stack)
            ours |= {f"{body}{stack}.{name}": f"backbone.{stack}.{own}" for name, own in names.items()}
            computed = [] if variant.learned else [_POSITIONS, f"{_POSITIONS}s"]
            ignored += [f"{body}{stack}.{name}" for name in ("version", *computed)]
        spellings = {f"{other}{name.removeprefix(body)}": name for name in {*ours, *copies, *ignored} - {_HEAD}}
        size, reshaped, parts = _num_written(theirs, variant), {}, {}
        if variant.output_bias:
            ours[_BIAS] = "head.bias" if _is_tied(theirs) else "head.project.bias"
            reshaped[_BIAS] = Reshaped(theirs=(1, size), ours=(size,))
            parts["head.bias"] = (_BIAS,)
        return KeyMap(
            ours=ours,
            copies=copies,
            reshaped=reshaped,
            spellings=spellings,
            parts=parts,
            stand_ins=stand_ins,
            ignored=tuple(name for name in ignored if name not in ours),
        )


def learned_positions(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The spec of a table whose first two rows belonged to no position when it was trained."""
    return {
        "class": "unimodal.positions.learned.Learned",
        "longest": theirs["max_position_embeddings"],
        "offset": 2,
    }


def _is_bare(theirs: Mapping[str, Any]) -> bool:
    """Whether the files are those of the model without a head, as `BartModel` saves them."""
    return any(name.endswith("Model") for name in theirs.get("architectures") or ())


def _is_tied(theirs: Mapping[str, Any]) -> bool:
    return theirs["tie_word_embeddings"] or _is_bare(theirs)


def _has_one_table(theirs: Mapping[str, Any], variant: Variant) -> bool:
    return theirs["tie_word_embeddings"] and variant.own_target is None


def _num_written(theirs: Mapping[str, Any], variant: Variant) -> int:
    """Tokens that the decoder tells apart."""
    size: int = theirs["vocab_size"] if variant.own_target is None else variant.own_target
    return size


def _tables(theirs: Mapping[str, Any], variant: Variant, body: str) -> tuple[dict[str, str], ...]:
    """Of the tables of tokens and the head, as in `KeyMap`: what is ours, what are copies, what stands in."""
    source, target, shared = (f"{body}{name}" for name in (_SOURCE, _TARGET, _SHARED))
    if _has_one_table(theirs, variant):
        return {shared: "embedding.weight"}, dict.fromkeys((source, target, _HEAD), shared), {}
    ours = {source: "prenets.source.table.weight", target: "embedding.weight"}
    stand_ins = {source: shared, target: shared} if variant.own_target is None else {}
    if _is_tied(theirs):
        return ours, {_HEAD: target}, stand_ins
    return {**ours, _HEAD: "head.project.weight"}, {}, stand_ins


def _ends(variant: Variant) -> dict[str, str]:
    """The names of what stands before and behind a stack's blocks."""
    named = {"layernorm_embedding": "input_norm.norm"} if variant.embedding_norm else {}
    ends = affine(named | ({"layer_norm": "final_norm"} if variant.pre_norm else {}))
    return ends | ({_POSITIONS: "position.table.weight"} if variant.learned else {})


def stack_names(theirs: Mapping[str, Any], variant: Variant, stack: str) -> dict[str, str]:
    """The names of what the encoder or the decoder holds, theirs -> ours, both below the stack's own name."""
    return _ends(variant) | per_block(block_names(stack), theirs[f"{stack}_layers"], theirs="layers", ours="blocks")


def spec_of_stack(theirs: Mapping[str, Any], variant: Variant, stack: str) -> dict[str, Any]:
    """The spec of the encoder or the decoder."""
    norm, none, dropout = "unimodal.norms.LayerNorm", "unimodal.norms.NoNorm", float(theirs["dropout"])
    residual = "unimodal.residuals.PreNorm" if variant.pre_norm else "unimodal.residuals.PostNorm"
    return stack_spec(
        theirs,
        stack,
        position=dict(variant.position),
        input_norm={
            "class": "unimodal.norms.Dropped",
            "norm": norm if variant.embedding_norm else none,
            "rate": dropout,
        },
        final_norm=norm if variant.pre_norm else none,
        residual={"class": residual, "norm": norm, "dropout": dropout},
        activation=activation_of(theirs, "activation_function"),
    )
