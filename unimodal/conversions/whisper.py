"""Whisper: pre-norm, absolute positions on both sides, keys without a bias (Radford et al. 2022, 2212.04356)."""

from collections.abc import Mapping
from typing import Any, final

from unimodal.conversions import Conversion, KeyMap, per_block
from unimodal.conversions.activations import activation_of
from unimodal.conversions.stacks import affine, block_names, stack_spec

_SUBSAMPLING = 2
"""Frames of the spectrogram for each entry of the encoder."""


_WITHOUT_BIAS = ("key",)
_STACK = {
    "embed_positions.weight": "position.table.weight",
    "layer_norm.weight": "final_norm.weight",
    "layer_norm.bias": "final_norm.bias",
}


@final
class Whisper(Conversion):
    """Encoder over windows of a log-mel spectrogram, decoder and tied head.

    The encoder's positions are the sinusoids that the file holds; in training they learn, where theirs stand still.
    What theirs do in training only (LayerDrop, SpecAugment) is not taken over.
    """

    generation = "unimodal.generators.windows.Windows"

    def config(self, theirs: Mapping[str, Any]) -> dict[str, Any]:
        tied = theirs["tie_word_embeddings"]
        return {
            "vocabulary": {"class": "unimodal.vocabulary.TokenSpace", "ranges": [{"text": theirs["vocab_size"]}]},
            "dim": theirs["d_model"],
            "arrangement": "unimodal.batching.EncoderDecoder",
            "head": "unimodal.heads.TiedHead" if tied else "unimodal.heads.OwnHead",
            "prenets": {
                "text": "unimodal.prenets.text.TextPrenet",
                "speech": {
                    "class": "unimodal.prenets.whisper.WhisperPrenet",
                    "num_bands": theirs["num_mel_bins"],
                    "window": _SUBSAMPLING * theirs["max_source_positions"],
                },
            },
            "postnets": {},
            "backbone": {
                "class": "unimodal.backbone.Backbone",
                "encoder": _stack(theirs, "encoder", theirs["max_source_positions"]),
                "decoder": _stack(theirs, "decoder", theirs["max_target_positions"]),
            },
        }

    def keys(self, theirs: Mapping[str, Any]) -> KeyMap:
        table = "model.decoder.embed_tokens.weight"
        ours = {table: "embedding.weight"}
        ours |= affine({"model.encoder.conv1": "prenets.speech.first", "model.encoder.conv2": "prenets.speech.second"})
        copies = {}
        if theirs["tie_word_embeddings"]:
            copies["proj_out.weight"] = table
        else:
            ours["proj_out.weight"] = "head.project.weight"
        for stack in ("encoder", "decoder"):
            blocks = block_names(stack, without_bias=_WITHOUT_BIAS)
            ours |= {f"model.{stack}.{name}": f"backbone.{stack}.{own}" for name, own in _STACK.items()}
            depth = theirs[f"{stack}_layers"]
            ours |= per_block(blocks, depth, theirs=f"model.{stack}.layers", ours=f"backbone.{stack}.blocks")
        return KeyMap(ours=ours, copies=copies)


def _stack(theirs: Mapping[str, Any], stack: str, longest: int) -> dict[str, Any]:
    norm, dropout = "unimodal.norms.LayerNorm", float(theirs["dropout"])
    return stack_spec(
        theirs,
        stack,
        position={"class": "unimodal.positions.learned.Learned", "longest": longest},
        input_norm={"class": "unimodal.norms.Dropped", "norm": "unimodal.norms.NoNorm", "rate": dropout},
        final_norm=norm,
        residual={"class": "unimodal.residuals.PreNorm", "norm": norm, "dropout": dropout},
        activation=activation_of(theirs, "activation_function"),
        without_bias=_WITHOUT_BIAS,
    )
