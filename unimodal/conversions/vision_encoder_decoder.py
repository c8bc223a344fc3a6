"""A vision transformer that a text decoder reads: TrOCR (Li et al. 2021, 2109.10282)."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap
from unimodal.conversions.bart_body import Variant, learned_positions, spec_of_stack, stack_names
from unimodal.conversions.vit import vision_keys, vision_prenet, vision_stack

_ENCODERS = ("deit", "vit")
_DECODERS = ("trocr",)
_BODY, _HEAD = "decoder.model.decoder", "decoder.output_projection.weight"
_TABLE = f"{_BODY}.embed_tokens.weight"


@final
class VisionEncoderDecoder(Conversion):
    """Pictures in, text out.

    The decoder reads an encoder of another width as it is where `cross_attention_hidden_size` says so, else through a
    linear map. The encoder's pooler, which some files hold, is read by nothing.
    """

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        encoder, decoder = _sides(theirs)
        width, dim = encoder["hidden_size"], decoder["d_model"]
        with _below("encoder"):
            prenet, reader = vision_prenet(encoder, width=width), vision_stack(encoder)
        with _below("decoder"):
            writer = _writer(decoder, width)
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": decoder["vocab_size"]}]},
            "dim": dim,
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": "unimodal.heads.TiedHead" if decoder["tie_word_embeddings"] else "unimodal.heads.OwnHead",
            "prenets": {"image": prenet, "text": "unimodal.prenets.text.TextPrenet"},
            "postnets": {},
            "embedding_scale": dim**0.5 if decoder["scale_embedding"] else 1.0,
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": reader,
                "decoder": writer,
                "encoder_dim": width,
                "memory_dim": dim if _is_bridged(encoder, decoder) else None,
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        encoder, decoder = _sides(theirs)
        ours, reshaped = vision_keys(encoder, prefix="encoder.")
        names = stack_names(decoder, _variant(decoder), "decoder")
        ours |= {f"{_BODY}.{name}": f"backbone.decoder.{own}" for name, own in names.items()}
        ours[_TABLE] = "embedding.weight"
        if _is_bridged(encoder, decoder):
            ours |= {f"enc_to_dec_proj.{part}": f"backbone.bridge.{part}" for part in ("weight", "bias")}
        if not decoder["tie_word_embeddings"]:
            ours[_HEAD] = "head.project.weight"
        ignored = {f"encoder.pooler.dense.{part}" for part in ("weight", "bias")}
        if not decoder["use_learned_position_embeddings"]:
            ignored |= {f"{_BODY}.embed_positions.{name}" for name in ("weights", "_float_tensor")}
        copies = {_HEAD: _TABLE} if decoder["tie_word_embeddings"] else {}
        return KeyMap(ours=ours, copies=copies, reshaped=reshaped, ignored=tuple(sorted(ignored)))


def _sides(theirs: Mapping[str, Any]) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """The configs of encoder and decoder."""
    for name, known in (("encoder", _ENCODERS), ("decoder", _DECODERS)):
        found = theirs[name]["model_type"]
        if found not in known:
            raise ValueError(f"{name}.model_type: '{found}' is none of {', '.join(known)}")
    encoder, decoder = theirs["encoder"], theirs["decoder"]
    named = decoder["cross_attention_hidden_size"]
    if named not in (None, encoder["hidden_size"]):
        width = encoder["hidden_size"]
        raise ValueError(f"decoder.cross_attention_hidden_size: is {named}, but the encoder's hidden_size is {width}")
    return encoder, decoder


def _is_bridged(encoder: Mapping[str, Any], decoder: Mapping[str, Any]) -> bool:
    return decoder["cross_attention_hidden_size"] is None and encoder["hidden_size"] != decoder["d_model"]


def _variant(decoder: Mapping[str, Any]) -> Variant:
    learned = decoder["use_learned_position_embeddings"]
    computed = {
        "class": "unimodal.positions.sine_cosine.SineCosine",
        "offset": decoder["pad_token_id"] + 1,
        "inclusive": True,
    }
    return Variant(
        position=learned_positions(decoder) if learned else computed,
        learned=learned,
        pre_norm=False,
        embedding_norm=decoder["layernorm_embedding"],
        output_bias=False,
    )


def _writer(decoder: Mapping[str, Any], width: int) -> dict[str, Any]:
    spec = spec_of_stack(decoder, _variant(decoder), "decoder")
    if decoder["cross_attention_hidden_size"] is not None:
        (reading,) = spec["block"]["reads"]
        reading["mixer"]["memory_dim"] = width
    return spec


@contextmanager
def _below(side: str) -> Iterator[None]:
    """A field that cannot be used is named with the config that it stands in."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{side}.{error}") from error
