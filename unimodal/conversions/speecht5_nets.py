"""SpeechT5's pre-nets and post-nets for speech: our parts, and the names of their tensors."""

from collections.abc import Mapping
from typing import Any

from unimodal.conversions import Reshaped
from unimodal.conversions.stacks import affine

NUMBER = Reshaped(theirs=(), ours=(1,))
_WAVE, _MEL = "speecht5.encoder.prenet", "speecht5.decoder.prenet"
_NEIGHBOURS = f"{_WAVE}.pos_conv_embed.conv"
SPELLINGS = {
    f"{_NEIGHBOURS}.weight_g": f"{_NEIGHBOURS}.parametrizations.weight.original0",
    f"{_NEIGHBOURS}.weight_v": f"{_NEIGHBOURS}.parametrizations.weight.original1",
}
"""The names before torch's parametrisations -> today's."""
TABLES = (
    f"{_WAVE}.pos_sinusoidal_embed.weights",
    f"{_WAVE}.encode_positions.pe",
    f"{_MEL}.embed_positions.weights",
    f"{_MEL}.encode_positions.pe",
)
"""Sinusoids that older files hold."""


def fixed_position(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Sinusoids that count from behind the padding token."""
    offset = theirs["pad_token_id"] + 1
    return {"class": "unimodal.positions.sine_cosine.SineCosine", "offset": offset, "inclusive": True}


def scaled_position(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """Sinusoids times a learned number."""
    return dropped(theirs, "unimodal.positions.sinusoidal.Sinusoidal")


def dropped(theirs: Mapping[str, Any], position: Any) -> dict[str, Any]:
    """A position with the dropout that stands behind all but the wave's."""
    rate = float(theirs["positional_dropout"])
    return {"class": "unimodal.positions.dropped.Dropped", "position": position, "rate": rate}


def wave(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The pre-net of an encoder that hears."""
    masking = {
        "class": "unimodal.prenets.span_masking.SpanMasking",
        "share": float(theirs["mask_time_prob"]) if theirs["apply_spec_augment"] else 0.0,
        "span": theirs["mask_time_length"],
        "least": theirs["mask_time_min_masks"] if theirs["apply_spec_augment"] else 0,
    }
    return {
        "class": "unimodal.prenets.wave.WavePrenet",
        "stem": {
            "class": "unimodal.prenets.wave.WaveStem",
            "widths": list(theirs["conv_dim"]),
            "kernels": list(theirs["conv_kernel"]),
            "strides": list(theirs["conv_stride"]),
            "bias": theirs["conv_bias"],
        },
        "neighbours": {
            "class": "unimodal.prenets.wave.Neighbours",
            "kernel": theirs["num_conv_pos_embeddings"],
            "groups": theirs["num_conv_pos_embedding_groups"],
        },
        "masking": masking if _masks(theirs) else None,
        "epsilon": theirs["layer_norm_eps"],
        "dropout": float(theirs["feat_proj_dropout"]),
    }


def wave_keys(theirs: Mapping[str, Any]) -> dict[str, str]:
    """Their name -> ours."""
    layers = f"{_WAVE}.feature_encoder.conv_layers"
    named = {
        f"{_WAVE}.feature_projection.layer_norm": "norm",
        f"{_WAVE}.feature_projection.projection": "project",
        f"{layers}.0.layer_norm": "stem.norm",
    }
    ours = affine(named)
    for part in ("weight", "bias") if theirs["conv_bias"] else ("weight",):
        for layer in range(len(theirs["conv_dim"])):
            ours[f"{layers}.{layer}.conv.{part}"] = f"stem.layers.{layer}.{part}"
    ours |= {
        f"{_NEIGHBOURS}.bias": "neighbours.bias",
        f"{_NEIGHBOURS}.parametrizations.weight.original0": "neighbours.length",
        f"{_NEIGHBOURS}.parametrizations.weight.original1": "neighbours.direction",
    }
    if _masks(theirs):
        ours[f"{_WAVE}.masked_spec_embed"] = "masking.vector"
    return {name: f"prenets.wave.{own}" for name, own in ours.items()}


def mel_prenet(theirs: Mapping[str, Any]) -> dict[str, Any]:
    """The pre-net of a decoder that speaks."""
    rate = float(theirs["speech_decoder_prenet_dropout"])
    return {
        "class": "unimodal.prenets.frames.FramePrenet",
        "position": scaled_position(theirs),
        "dropout": {"class": "unimodal.prenets.dropouts.shared.SharedDropout", "rate": rate},
        "num_bands": theirs["num_mel_bins"],
        "width": theirs["speech_decoder_prenet_units"],
        "num_layers": theirs["speech_decoder_prenet_layers"],
        "voice_dim": theirs["speaker_embedding_dim"],
    }


def mel_postnet(theirs: Mapping[str, Any], *, guided: bool) -> dict[str, Any]:
    """The post-net of a decoder that speaks; `guided`: its loss may ask for a diagonal cross-attention."""
    guide = {
        "class": "unimodal.prenets.diagonal.Diagonal",
        "num_heads": theirs["guided_attention_loss_num_heads"],
        "width": theirs["guided_attention_loss_sigma"],
        "scale": theirs["guided_attention_loss_scale"],
    }
    return {
        "class": "unimodal.prenets.frames.FramePostnet",
        "refinement": {
            "class": "unimodal.prenets.refinement.Refinement",
            "width": theirs["speech_decoder_postnet_units"],
            "num_layers": theirs["speech_decoder_postnet_layers"],
            "kernel": theirs["speech_decoder_postnet_kernel"],
            "dropout": float(theirs["speech_decoder_postnet_dropout"]),
            "normalised": True,
        },
        "num_bands": theirs["num_mel_bins"],
        "reduction": theirs["reduction_factor"],
        "guide": guide if guided and theirs["use_guided_attention_loss"] else None,
    }


def mel_keys(theirs: Mapping[str, Any]) -> dict[str, str]:
    """Their name -> ours."""
    prenet = {f"layers.{layer}": f"layers.{layer}" for layer in range(theirs["speech_decoder_prenet_layers"])}
    prenet = affine(prenet | {"final_layer": "project", "speaker_embeds_layer": "voice"})
    prenet["encode_positions.alpha"] = "position.position.size"
    postnet = affine({"feat_out": "project", "prob_out": "stop"})
    for layer in range(theirs["speech_decoder_postnet_layers"]):
        postnet[f"layers.{layer}.conv.weight"] = f"refinement.layers.{layer}.weight"
        for part in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
            postnet[f"layers.{layer}.batch_norm.{part}"] = f"refinement.norms.{layer}.{part}"
    ours = {f"{_MEL}.{name}": f"prenets.mel.{own}" for name, own in prenet.items()}
    return ours | {f"speech_decoder_postnet.{name}": f"postnets.mel.{own}" for name, own in postnet.items()}


def _masks(theirs: Mapping[str, Any]) -> bool:
    """Whether a checkpoint holds the vector that hides spans."""
    return bool(theirs["mask_time_prob"] > 0 or theirs["mask_feature_prob"] > 0)
