"""Speech under transformers' names: inputs in, log-mel frames or sound out, through the one decoding loop.

b rows, r rows or one for all, t frames, f mel bands, n samples, s a voice's values
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from unimodal.batching import Piece, begin_rows
from unimodal.decoding.generate import Decoding, Prompt, go_on_with_frames
from unimodal.modality import KeywordPostnet, KeywordPrenet
from unimodal.samplers.greedy import Greedy
from unimodal.writers.frames import Ends

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration

Vocoder = Callable[[Tensor], Tensor]
"""Frames [t, f] or [b, t, f] -> samples [n] or [b, n]."""
NOBODY = 512
"""Values of the vector of zeros that speaks where speech is changed and no voice is given, as transformers has it."""


@final
@dataclass(frozen=True)
class SpeechLimits:
    """When an utterance ends: see `Ends`. The ratios are frames for each entry that the encoder gives."""

    threshold: float = 0.5
    minlenratio: float = 0.0
    maxlenratio: float = 20.0

    def ends(self, rows: int, entries: int, *, reduction: int) -> Ends:
        """Of rows of so many entries, in steps of `reduction` frames."""
        shortest, longest = (int(entries * ratio / reduction) for ratio in (self.minlenratio, self.maxlenratio))
        return Ends.alike(rows, longest=max(shortest, longest, 1), shortest=shortest, threshold=self.threshold)


def speak(
    model: "UnimodalForConditionalGeneration",
    inputs: Mapping[str, Any],
    voice: Float[Tensor, "r s"] | None,
    limits: SpeechLimits,
    *,
    decoding: Decoding | None = None,
) -> list[Float[Tensor, "_ f"]]:
    """The frames of each row of transformers' inputs.

    The dropout that acts in inference draws from torch's random state: seed it to hear the same again. Of a decoding
    the cache and the capture are used: nothing is chosen among frames. Raises ValueError for a model that writes no
    frames, and where text is to be spoken in nobody's voice.
    """
    net = next((net for net in model.postnets if model.prenet(net).keywords), None)
    if net is None:
        raise ValueError("generate_speech: the model writes no speech")
    prenet, postnet = cast(KeywordPrenet, model.prenet(net)), cast(KeywordPostnet, model.postnet(net))
    given = _with_mask(model, inputs)
    rows = next(len(value) for value in given.values() if value is not None)
    read = postnet.begin(rows)
    if "speaker_embeddings" in prenet.keywords:
        read["speaker_embeddings"] = _voice(given, voice)
    elif voice is not None:
        raise ValueError("speaker_embeddings: the model speaks in no voice but its own")
    begun = prenet.arrays({name: value.to(model.device) for name, value in read.items()})
    pieces = [Piece(net, {name: array[row].cpu() for name, array in begun.items()}, 1) for row in range(rows)]
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            memories = model.encode_inputs(given)[1]
        ends = limits.ends(rows, memories["encoder"].hidden.shape[1], reduction=postnet.reduction)
        prompt = Prompt(lambda model: memories, begin_rows(pieces, model.kinds))
        steps = Decoding(Greedy()) if decoding is None else decoding
        written = go_on_with_frames(model, prompt, net, steps, ends=ends, context=begun)
        with torch.no_grad():
            return [postnet.frames(decoded) for decoded in written]
    finally:
        model.train(was_training)


def render(
    frames: list[Float[Tensor, "_ f"]], vocoder: Vocoder | None, *, lengths: bool
) -> Tensor | tuple[Tensor, list[int]]:
    """transformers' answer: of one row alone, of several padded; with the `lengths` of all of them where asked."""
    together = frames[0] if len(frames) == 1 and not lengths else pad_sequence(frames, batch_first=True)
    sound = together if vocoder is None else vocoder(together)
    if not lengths:
        return sound
    per_frame = sound.shape[1] // together.shape[1]
    return sound, [len(row) * per_frame for row in frames]


def source_input(model: "UnimodalForConditionalGeneration") -> str:
    """The keyword of what the encoder reads: its one pre-net's, or tokens."""
    own = model.source.inputs - {"input_ids", "inputs_embeds"}
    return own.pop() if len(own) == 1 else "input_ids"


def _with_mask(model: "UnimodalForConditionalGeneration", inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Padding of text that comes without a mask is known by its token."""
    given = {name: value for name, value in inputs.items() if value is not None}
    if "input_ids" in given and "attention_mask" not in given:
        given["attention_mask"] = (given["input_ids"] != model.boundaries.pad).long()
    return given


def _voice(inputs: Mapping[str, Any], voice: Tensor | None) -> Tensor:
    if voice is not None:
        return voice
    if "input_ids" in inputs or "inputs_embeds" in inputs:
        raise ValueError("speaker_embeddings: text is spoken in somebody's voice; give a vector for each row")
    return torch.zeros(1, NOBODY)
