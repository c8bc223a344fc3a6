"""Speech out: a decoder that reads and writes log-mel frames, several a step, until its stop logits say so.

The nets of SpeechT5 (Ao et al. 2022, arXiv:2110.07205): those of its checkpoints, and those that are taught here.
n samples, p pieces, l steps, r frames of a step, t = l r frames, f mel bands, w a step's values r f, s those of a
voice, d width
"""

import math
from collections.abc import Callable, Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.hidden import Hidden
from unimodal.layout import Layout
from unimodal.modality import Embed, KeywordPostnet, KeywordPrenet, Processor
from unimodal.positions import Position
from unimodal.prenets.diagonal import Diagonal
from unimodal.prenets.dropouts import Dropout
from unimodal.prenets.dropouts.always import AlwaysDropout
from unimodal.prenets.refinement import Refinement
from unimodal.prenets.spectrogram import FLOOR, HOP, NUM_BANDS, RATE, VOICE
from unimodal.prenets.vocoders import Vocoder
from unimodal.prenets.voice import Voice
from unimodal.prenets.waveform import Waveform

CENTRE, SPREAD = -5.5, 2.5
"""Mean and deviation of the log-mel of studio speech, about. A fixed scale, so that frames turn back into sound."""
SILENCE = (math.log(FLOOR) - CENTRE) / SPREAD
IGNORED = -100.0
"""The value of a label's frame that is padding."""


@final
class FrameProcessor(Processor):
    """A `Waveform` or the path of an audio file -> what a decoder is taught to write, `reduction` frames a step.

    {"frames": Float[l, w], "previous": Float[l, f]}: step i reads the last frame of step i - 1 (zeros at the start) and
    writes `frames[i]`. The last step is filled up with silence. Raises as `SpeechProcessor`.
    A `Voice` -> {"voice": Float[1, s]}, which every step reads, where the model speaks in voices of `voice_dim` values;
    a task that gives none is spoken in nobody's, zeros.
    With `keeps_sound` there is {"sound": Float[l, n]} as well, the samples of each step: what a vocoder is taught.
    """

    def __init__(
        self,
        *,
        reduction: int = 4,
        max_seconds: float = 20.0,
        voice_dim: int | None = None,
        keeps_sound: bool = False,
    ):
        self.reduction, self.max_seconds, self.voice_dim = reduction, max_seconds, voice_dim
        self.keeps_sound = keeps_sound
        self.beside = {} if voice_dim is None else {"voice": torch.zeros(1, voice_dim)}

    def __call__(self, raw: object) -> dict[str, Tensor]:
        if isinstance(raw, Voice):
            return {"voice": self._voice(raw)[None]}
        sound = Waveform.of(raw, rate=RATE, max_seconds=self.max_seconds)
        frames = (VOICE(sound.samples) - CENTRE) / SPREAD
        frames = functional.pad(frames, (0, 0, 0, -frames.shape[0] % self.reduction), value=SILENCE)
        steps = frames.reshape(-1, self.reduction * NUM_BANDS)
        previous = functional.pad(steps[:-1, -NUM_BANDS:], (0, 0, 1, 0))
        arrays = {"frames": steps, "previous": previous}
        if not self.keeps_sound:
            return arrays
        samples = functional.pad(sound.samples, (0, frames.shape[0] * HOP - sound.samples.shape[0]))
        return {**arrays, "sound": samples.reshape(steps.shape[0], -1)}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["previous"].shape[0]

    def _voice(self, voice: Voice) -> Float[Tensor, " s"]:
        if self.voice_dim is None:
            raise ValueError(f"{voice.name}: the model speaks in no voice but its own")
        if len(voice.vector) != self.voice_dim:
            raise ValueError(f"{voice.name}: a voice has {self.voice_dim} values here, not {len(voice.vector)}")
        return voice.vector.float()


@final
class FramePrenet(KeywordPrenet):
    """The frame before -> narrow layers with dropout -> an embedding, turned towards a voice of `voice_dim` values.

    The dropout acts in inference too, as in Tacotron 2 (Shen et al. 2018, arXiv:1712.05884): a decoder that sees the
    frame before clearly copies it and stops listening to the text. `position` is for stacks that add none.
    Voices are brought to the length `voice_length`. transformers' callers may leave out the voice: then the embedding
    stays as it is, which no model was taught.
    """

    def __init__(
        self,
        dim: int,
        *,
        dropout: Dropout | None = None,
        position: Callable[[int], Position] | None = None,
        num_bands: int = NUM_BANDS,
        width: int = 256,
        num_layers: int = 2,
        voice_dim: int | None = None,
        voice_length: float = 1.0,
    ):
        super().__init__()
        self.keywords = ("decoder_input_values", *(() if voice_dim is None else ("speaker_embeddings",)))
        self.voice_dim, self.voice_length = voice_dim, voice_length
        self.dropout = AlwaysDropout(rate=0.5) if dropout is None else dropout
        self.layers = nn.ModuleList(nn.Linear(width if layer else num_bands, width) for layer in range(num_layers))
        self.project = nn.Linear(width, dim)
        self.position = None if position is None else position(dim)
        self.voice = None if voice_dim is None else nn.Linear(voice_dim + dim, dim)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        frames: Float[Tensor, "p l f"] = inputs["decoder_input_values"]
        rows, steps = frames.shape[:2]
        arrays = {"previous": frames, "steps": torch.arange(steps, device=frames.device).expand(rows, steps)}
        if "speaker_embeddings" in inputs:
            voice = inputs["speaker_embeddings"]
            if voice.ndim != 2 or voice.shape[0] not in (1, rows) or voice.shape[1] != self.voice_dim:
                wanted, found = f"{rows} x {self.voice_dim}", " x ".join(map(str, voice.shape))
                raise ValueError(f"speaker_embeddings: are {wanted} (or one row for all), not {found}")
            arrays["voice"] = voice[:, None].expand(rows, 1, -1)
        return arrays

    def real(self, mask: Bool[Tensor, "p l"]) -> Bool[Tensor, "p l"]:
        return mask

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        """`arrays`: `previous` [p, l, f]; `steps` [p, l], else counted from 0; `voice` [p, 1, s]."""
        x: Float[Tensor, "p l f"] = arrays["previous"].to(self.project.weight.dtype)
        rows, time = x.shape[:2]
        steps = arrays["steps"] if "steps" in arrays else torch.arange(time, device=x.device).expand(rows, time)
        for layer in self.layers:
            x = self.dropout(functional.relu(layer(x)), steps)
        embedded: Float[Tensor, "p l d"] = self.project(x)
        if self.position is not None:
            embedded = self.position.add(embedded, steps)
        if self.voice is None or "voice" not in arrays:
            return embedded
        voice = functional.normalize(arrays["voice"], dim=-1) * self.voice_length
        voice = voice.to(embedded.dtype).expand(-1, time, -1)
        return functional.relu(self.voice(torch.cat([embedded, voice], dim=-1)))


@final
class FramePostnet(KeywordPostnet):
    """Hidden states -> `reduction` frames a step, each with the probability that it is the last; then a refinement.

    An utterance is over when the probabilities of a step's frames sum to the threshold. Losses: L1 before and after the
    refinement, a value; cross entropy of the ends, a frame, in which the last one counts `stop_weight` times; and, for
    transformers' callers, what `guide` says of the cross-attention. `vocoder` makes sound of frames on the scale of
    `FrameProcessor`; without one, frames are all that is rendered.
    """

    def __init__(
        self,
        dim: int,
        *,
        refinement: Callable[[int], Refinement],
        num_bands: int = NUM_BANDS,
        reduction: int = 4,
        guide: Diagonal | None = None,
        stop_weight: float = 5.0,
        vocoder: Vocoder | None = None,
    ):
        super().__init__()
        self.num_bands, self.reduction, self.stop_weight = num_bands, reduction, stop_weight
        self.guide = guide
        self.needs_weights = () if guide is None else ("encoder",)
        self.project = nn.Linear(dim, num_bands * reduction)
        self.stop = nn.Linear(dim, reduction)
        self.refinement = refinement(num_bands)
        self.vocoder = vocoder

    def decode(self, hidden: Float[Tensor, "p l d"]) -> dict[str, Tensor]:
        return {"frames": self.project(hidden), "stop": self.stop(hidden)}

    def ended(self, decoded: Mapping[str, Tensor], threshold: float) -> Bool[Tensor, "p l"]:
        return decoded["stop"].sigmoid().sum(dim=-1) >= threshold

    def begin(self, rows: int) -> dict[str, Tensor]:
        return {"decoder_input_values": torch.zeros(rows, 1, self.num_bands)}

    def start(self) -> dict[str, Tensor]:
        return {"previous": torch.zeros(1, self.num_bands), "steps": torch.zeros(1, dtype=torch.long)}

    def feed(self, decoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"previous": decoded["frames"][..., -self.num_bands :]}

    def frames(self, decoded: Mapping[str, Tensor]) -> Float[Tensor, "t f"]:
        frames = decoded["frames"].reshape(1, -1, self.num_bands)
        refined: Tensor = self.refinement(frames, torch.ones_like(frames[..., 0], dtype=torch.bool))
        return refined[0]

    @torch.no_grad()
    def render(self, decoded: Mapping[str, Tensor]) -> Float[Tensor, " n"] | Float[Tensor, "t f"]:
        """Samples at 16 kHz, 10 ms a frame; without a vocoder the frames. Raises ValueError for one of another hop."""
        frames = self.frames(decoded)
        if self.vocoder is None:
            return frames
        samples = self.vocoder(frames * SPREAD + CENTRE).float().cpu()
        if samples.shape[0] != HOP * frames.shape[0]:
            found = samples.shape[0] // frames.shape[0]
            raise ValueError(f"vocoder: makes {found} samples of a frame, and frames are {HOP} samples apart here")
        return samples

    def loss(
        self, hidden: Float[Tensor, "p l d"], arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"]
    ) -> dict[str, Float[Tensor, " p"]]:
        """`arrays["frames"]` [p, l, w] is what each step should have written."""
        given = arrays["frames"].shape[-1] // self.num_bands
        if given != self.reduction:
            raise ValueError(f"frames come {given} a step, but FramePostnet(reduction={self.reduction}) writes them")
        frames = arrays["frames"].reshape(hidden.shape[0], -1, self.num_bands).to(hidden.dtype)
        inside = self._frames_of(torch.arange(hidden.shape[1], device=hidden.device) < lengths[:, None])
        losses, _ = self._losses(self.decode(hidden), frames, inside, inside)
        return losses

    def taught(self, labels: Float[Tensor, "p t f"], mask: Int[Tensor, "p t"] | None) -> dict[str, Tensor | None]:
        if labels.shape[1] % self.reduction or labels.shape[2] != self.num_bands:
            found = " x ".join(map(str, labels.shape[1:]))
            wanted = f"a multiple of {self.reduction} frames x {self.num_bands} bands"
            raise ValueError(f"labels: are {wanted} a row, not {found}")
        last = slice(self.reduction - 1, None, self.reduction)
        previous = functional.pad(labels[:, last][:, :-1], (0, 0, 1, 0))
        return {
            "decoder_input_values": previous.masked_fill(previous == IGNORED, 0),
            "decoder_attention_mask": None if mask is None else mask[:, last],
        }

    def output(
        self, written: Hidden, labels: Float[Tensor, "p t f"] | None, source: Layout | None
    ) -> dict[str, Tensor | None]:
        decoded, given = self.decode(written.last), self._frames_of(written.layout.valid)
        if labels is None:
            frames = decoded["frames"].reshape(*given.shape, self.num_bands)
            return {"spectrogram": self.refinement(frames, given)}
        inside = labels[..., 0] != IGNORED
        losses, spectrogram = self._losses(decoded, labels, inside, given)
        # A mean over pieces would count a short one as much as a long one; transformers' callers expect the frames'.
        loss = (torch.stack([*losses.values()]) * inside.sum(1)).sum() / inside.sum()
        if self.guide is not None and source is not None:
            steps = inside[:, self.reduction - 1 :: self.reduction]
            loss = loss + self.guide(written.weights["encoder"], steps, source.valid)
        return {"spectrogram": spectrogram, "loss": loss}

    def _frames_of(self, steps: Bool[Tensor, "p l"]) -> Bool[Tensor, "p t"]:
        """Whether each frame is real, for whether its step is."""
        return steps.repeat_interleave(self.reduction, dim=1)

    def _losses(
        self,
        decoded: Mapping[str, Tensor],
        frames: Float[Tensor, "p t f"],
        inside: Bool[Tensor, "p t"],
        given: Bool[Tensor, "p t"],
    ) -> tuple[dict[str, Float[Tensor, " p"]], Float[Tensor, "p t f"]]:
        """Losses of each piece, a mean over the frames `inside`; and all frames, refined as far as they are `given`."""
        before = decoded["frames"].reshape(frames.shape)
        after = self.refinement(before, given)
        stop = decoded["stop"].flatten(1)
        last = (inside & ~functional.pad(inside[:, 1:], (0, 1))).to(stop.dtype)
        ends = functional.binary_cross_entropy_with_logits(
            stop, last, reduction="none", pos_weight=stop.new_tensor(self.stop_weight)
        )
        values = {
            "before": (before - frames).abs().mean(dim=-1),
            "after": (after - frames).abs().mean(dim=-1),
            "stop": ends,
        }
        means = {name: (value * inside).sum(dim=1) / inside.sum(dim=1) for name, value in values.items()}
        return means, after
