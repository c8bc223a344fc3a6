"""Speech out in somebody's voice: log-mel frames, each step's read with a vector that says who speaks.

The nets of SpeechT5's checkpoints (Ao et al. 2022, arXiv:2110.07205); `frames.py` has those that are taught here.
p pieces, l steps, r frames of a step, t = l r frames, f mel bands, w a step's values r f, s a voice's values, d width
"""

from collections.abc import Callable, Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.hidden import Hidden
from unimodal.layout import Layout
from unimodal.modality import Embed, KeywordPostnet, KeywordPrenet
from unimodal.positions import Position
from unimodal.prenets.dropouts import Dropout

IGNORED = -100.0
"""The value of a label's frame that is padding."""


@final
class MelPrenet(KeywordPrenet):
    """The frame before -> narrow layers with dropout -> an embedding with its position, turned towards a voice.

    The vector of the voice may be missing: then the embedding stays as it is, which no released model was taught.
    """

    keywords = ("decoder_input_values", "speaker_embeddings")

    def __init__(
        self,
        dim: int,
        *,
        position: Callable[[int], Position],
        dropout: Dropout,
        num_bands: int = 80,
        width: int = 256,
        num_layers: int = 2,
        voice_dim: int = 512,
    ):
        super().__init__()
        self.dropout = dropout
        self.voice_dim = voice_dim
        self.layers = nn.ModuleList(nn.Linear(width if layer else num_bands, width) for layer in range(num_layers))
        self.project = nn.Linear(width, dim)
        self.position = position(dim)
        self.voice = nn.Linear(voice_dim + dim, dim)

    def arrays(self, inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
        frames: Float[Tensor, "p l f"] = inputs["decoder_input_values"]
        rows, steps = frames.shape[:2]
        arrays = {"previous": frames, "steps": torch.arange(steps, device=frames.device).expand(rows, steps)}
        if "speaker_embeddings" in inputs:
            voice = inputs["speaker_embeddings"]
            if voice.ndim != 2 or voice.shape[0] not in (1, rows) or voice.shape[1] != self.voice_dim:
                wanted, found = f"{rows} x {self.voice_dim}", " x ".join(map(str, voice.shape))
                raise ValueError(f"speaker_embeddings: are {wanted} (or one row for all), not {found}")
            arrays["voice"] = functional.normalize(voice)[:, None].expand(rows, steps, -1)
        return arrays

    def real(self, mask: Bool[Tensor, "p l"]) -> Bool[Tensor, "p l"]:
        return mask

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        steps = arrays["steps"]
        x: Float[Tensor, "p l f"] = arrays["previous"].to(self.project.weight.dtype)
        for layer in self.layers:
            x = self.dropout(functional.relu(layer(x)), steps)
        embedded: Float[Tensor, "p l d"] = self.position.add(self.project(x), steps)
        if "voice" not in arrays:
            return embedded
        return functional.relu(self.voice(torch.cat([embedded, arrays["voice"].to(embedded.dtype)], dim=-1)))


@final
class Refinement(nn.Module):
    """Convolutions over the frames of whole utterances, whose answer is added to them (Tacotron 2, arXiv:1712.05884).

    Each piece is refined as if it stood alone; the released models' convolutions read on into the padding.
    """

    def __init__(self, num_bands: int, *, width: int = 256, num_layers: int = 5, kernel: int = 5, dropout: float = 0.5):
        super().__init__()
        widths = [num_bands, *[width] * (num_layers - 1), num_bands]
        self.layers = nn.ModuleList(
            nn.Conv1d(*sizes, kernel, padding=(kernel - 1) // 2, bias=False)
            for sizes in zip(widths[:-1], widths[1:], strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(size) for size in widths[1:])
        self.dropout = nn.Dropout(dropout)

    def forward(self, frames: Float[Tensor, "p t f"], inside: Bool[Tensor, "p t"]) -> Float[Tensor, "p t f"]:
        x, real = frames.transpose(1, 2), inside[:, None].to(frames.dtype)
        last = len(self.layers) - 1
        for place, (layer, norm) in enumerate(zip(self.layers, self.norms, strict=True)):
            x = norm(layer(x * real))
            x = self.dropout(x if place == last else torch.tanh(x))
        return frames + x.transpose(1, 2)


@final
class Diagonal:
    """How far from the diagonal the first `num_heads` heads of every block look (Tachibana et al. 2017, 1710.08969).

    The mean over steps and entries, times `scale`, as in the released models. -1: all heads but the last.
    """

    def __init__(self, *, num_heads: int = 2, width: float = 0.4, scale: float = 10.0):
        self.num_heads, self.width, self.scale = num_heads, width, scale

    def __call__(
        self, weights: tuple[Tensor, ...], written: Bool[Tensor, "p l"], read: Bool[Tensor, "p e"]
    ) -> Float[Tensor, ""]:
        """`weights` [p, heads, l, e] a block."""
        bound = torch.cat([block[:, : self.num_heads] for block in weights], dim=1)
        down, across = _shares(written)[:, :, None], _shares(read)[:, None]
        far = 1 - torch.exp(-((across - down) ** 2) / (2 * self.width**2))
        real = (written[:, :, None] & read[:, None])[:, None].expand_as(bound)
        return self.scale * (bound * far[:, None])[real].mean()


@final
class MelPostnet(KeywordPostnet):
    """Hidden states -> `reduction` frames a step, each with the probability that it is the last; then a refinement.

    An utterance is over when the probabilities of a step's frames sum to the threshold. Losses: L1 before and after the
    refinement, a value; cross entropy of the ends, a frame, in which the last one counts `stop_weight` times; and what
    `guide` says of the cross-attention.
    """

    def __init__(
        self,
        dim: int,
        *,
        refinement: Callable[[int], Refinement],
        num_bands: int = 80,
        reduction: int = 2,
        guide: Diagonal | None = None,
        stop_weight: float = 5.0,
    ):
        super().__init__()
        self.num_bands, self.reduction, self.stop_weight = num_bands, reduction, stop_weight
        self.guide = guide
        self.needs_weights = () if guide is None else ("encoder",)
        self.project = nn.Linear(dim, num_bands * reduction)
        self.stop = nn.Linear(dim, reduction)
        self.refinement = refinement(num_bands)

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
    def render(self, decoded: Mapping[str, Tensor]) -> Float[Tensor, "t f"]:
        """The frames: which vocoder makes sound of them is the caller's to say."""
        return self.frames(decoded)

    def loss(
        self, hidden: Float[Tensor, "p l d"], arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"]
    ) -> dict[str, Float[Tensor, " p"]]:
        """`arrays["frames"]` [p, l, w] is what each step should have written."""
        frames = arrays["frames"].reshape(hidden.shape[0], -1, self.num_bands)
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


def _shares(real: Bool[Tensor, "p t"]) -> Float[Tensor, "p t"]:
    """How far through its piece each entry stands, from 0 to below 1."""
    return torch.arange(real.shape[1], device=real.device) / real.sum(1, keepdim=True)
