"""SpeechT5: one body between pre-nets and post-nets for speech and text (Ao et al. 2022, 2110.07205).

Which of them a checkpoint has, the class says that its config names. Layer drop is left out: only training reads it.
"""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions import speecht5_nets as nets
from unimodal.conversions.activations import activation_of
from unimodal.conversions.stacks import affine, attention_names, stack_spec

_HEADS = {
    "SpeechT5ForSpeechToText": ("speech", "text"),
    "SpeechT5ForTextToSpeech": ("text", "speech"),
    "SpeechT5ForSpeechToSpeech": ("speech", "speech"),
}
"""What the encoder reads and the decoder writes."""


_FEEDFORWARD = affine(
    {
        "feed_forward.intermediate_dense": "feedforward.up",
        "feed_forward.output_dense": "feedforward.down",
        "final_layer_norm": "feedforward_residual.norm",
    }
)
_ENCODER_BLOCK = attention_names("attention", "mixer") | affine({"layer_norm": "mixer_residual.norm"}) | _FEEDFORWARD
_DECODER_BLOCK = (
    attention_names("self_attn", "mixer")
    | affine({"self_attn_layer_norm": "mixer_residual.norm"})
    | attention_names("encoder_attn", "reads.encoder")
    | affine({"encoder_attn_layer_norm": "read_residuals.encoder.norm"})
    | _FEEDFORWARD
)
_ENCODER = affine({"layer_norm": "input_norm.norm"}) | {"embed_positions.pe_k.weight": "position.second.table.weight"}


@final
class SpeechT5(Conversion):
    """Speech-to-text, text-to-speech and speech-to-speech, with the body that they share."""

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        reads, writes = _head(theirs)
        _check(theirs, reads, writes)
        prenets: dict[str, Any] = {"text": "unimodal.prenets.text.TextPrenet"} if "text" in (reads, writes) else {}
        tied: dict[str, Any] = {"class": "unimodal.heads.TiedHead"}
        written = tied if theirs["tie_word_embeddings"] else {"class": "unimodal.heads.OwnHead"}
        if reads == "speech":
            prenets["wave"] = nets.wave(theirs)
        if writes == "speech":
            prenets["mel"] = nets.mel_prenet(theirs)
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["hidden_size"],
            "embedding_scale": _embedding_scale(theirs, writes),
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": written if writes == "text" else "unimodal.heads.NoHead",
            "prenets": prenets,
            "postnets": {"mel": nets.mel_postnet(theirs, guided=reads == "text")} if writes == "speech" else {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": _stack(theirs, "encoder", _encoder_position(theirs, reads)),
                "decoder": _stack(theirs, "decoder", _decoder_position(theirs, writes)),
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        reads, writes = _head(theirs)
        encoder, decoder = "speecht5.encoder.wrapped_encoder", "speecht5.decoder.wrapped_decoder"
        ours = {f"{encoder}.{name}": f"backbone.encoder.{own}" for name, own in _ENCODER.items()}
        for blocks, name, stack in ((_ENCODER_BLOCK, encoder, "encoder"), (_DECODER_BLOCK, decoder, "decoder")):
            depth = theirs[f"{stack}_layers"]
            ours |= per_block(blocks, depth, theirs=f"{name}.layers", ours=f"backbone.{stack}.blocks")
        copies: dict[str, str] = {}
        if writes == "text":
            table, head = "speecht5.decoder.prenet.embed_tokens.weight", "text_decoder_postnet.lm_head.weight"
            ours[table] = "embedding.weight"
            if theirs["tie_word_embeddings"]:
                copies[head] = table
            else:
                ours[head] = "head.project.weight"
        else:
            ours |= nets.mel_keys(theirs)
        if reads == "text":
            ours["speecht5.encoder.prenet.embed_tokens.weight"] = "embedding.weight"
            ours["speecht5.encoder.prenet.encode_positions.alpha"] = "backbone.encoder.position.first.position.size"
        else:
            ours |= nets.wave_keys(theirs)
        return KeyMap(
            ours=ours,
            copies=copies,
            absent=() if "text" in (reads, writes) else ("embedding.weight",),
            reshaped={name: nets.NUMBER for name in ours if name.endswith(".alpha")},
            spellings=nets.SPELLINGS,
            ignored=nets.TABLES,
        )


def _head(theirs: Mapping[str, Any]) -> tuple[str, str]:
    """What the encoder reads and what the decoder writes."""
    named = theirs.get("architectures") or []
    if len(named) != 1 or named[0] not in _HEADS:
        raise ValueError(f"architectures: SpeechT5 is converted as one of {', '.join(_HEADS)}, not {named}")
    return _HEADS[named[0]]


def _check(theirs: Mapping[str, Any], reads: str, writes: str) -> None:
    """Raises ValueError for a setting that ours lack."""
    if reads == "speech" or writes == "text":
        if theirs["pad_token_id"] is None or theirs["pad_token_id"] < 1:
            # Positions count from behind it, and at 0 the released code takes what is real for padding.
            raise ValueError(f"pad_token_id: SpeechT5's positions need one above 0, not {theirs['pad_token_id']}")
    wanted: dict[str, Any] = {}
    if reads == "speech":
        wanted = {"feat_extract_norm": "group", "feat_extract_activation": "gelu", "mask_feature_prob": 0}
    if writes == "speech":
        # At another rate p the released code keeps the share p, where dropout keeps 1 - p.
        wanted |= {"speech_decoder_prenet_dropout": 0.5}
    for field, value in wanted.items():
        if theirs[field] != value:
            raise ValueError(f"{field}: SpeechT5 is converted with {value!r}, not {theirs[field]!r}")


def _embedding_scale(theirs: Mapping[str, Any], writes: str) -> float:
    """A text decoder may scale its embeddings; a text encoder never does."""
    return float(theirs["hidden_size"] ** 0.5) if theirs["scale_embedding"] and writes == "text" else 1.0


def _encoder_position(theirs: Mapping[str, Any], reads: str) -> dict[str, Any]:
    clipped = {
        "class": "unimodal.positions.clipped.Clipped",
        "head_dim": theirs["hidden_size"] // theirs["encoder_attention_heads"],
        "longest": theirs["encoder_max_relative_position"],
    }
    added = nets.scaled_position(theirs) if reads == "text" else nets.fixed_position(theirs)
    return {"class": "unimodal.positions.both.Both", "first": added, "second": clipped}


def _decoder_position(theirs: Mapping[str, Any], writes: str) -> Any:
    if writes == "speech":  # its pre-net adds them
        return "unimodal.positions.none.NoPosition"
    return nets.dropped(theirs, nets.fixed_position(theirs))


def _stack(theirs: Mapping[str, Any], stack: str, position: Any) -> dict[str, Any]:
    norm, dropout = {"class": "unimodal.norms.LayerNorm", "epsilon": theirs["layer_norm_eps"]}, theirs["hidden_dropout"]
    dropped = {"class": "unimodal.norms.Dropped", "norm": norm, "rate": float(dropout)}
    return stack_spec(
        theirs,
        stack,
        position=position,
        input_norm="unimodal.norms.NoNorm" if stack == "decoder" else dropped,
        final_norm="unimodal.norms.NoNorm",
        residual={"class": "unimodal.residuals.PostNorm", "norm": norm, "dropout": float(dropout)},
        activation=activation_of(theirs, "hidden_act"),
    )
