"""Speech out: a decoder that reads and writes log-mel frames, several a step, until its stop logit says so.

n samples, p pieces, l steps, r frames of a step, t = l r frames, f mel bands, w a step's values r f, d width
"""

import math
from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from unimodal.modality import Embed, Postnet, Prenet, Processor
from unimodal.prenets.dropouts import Dropout
from unimodal.prenets.dropouts.always import AlwaysDropout
from unimodal.prenets.spectrogram import FLOOR, NUM_BANDS, RATE, VOICE
from unimodal.prenets.vocoders import Vocoder
from unimodal.prenets.vocoders.griffin_lim import GriffinLim
from unimodal.prenets.waveform import Waveform

CENTRE, SPREAD = -5.5, 2.5
"""Mean and deviation of the log-mel of studio speech, about. A fixed scale, so that frames turn back into sound."""
SILENCE = (math.log(FLOOR) - CENTRE) / SPREAD


@final
class FrameProcessor(Processor):
    """A `Waveform` or the path of an audio file -> what a decoder is taught to write, `reduction` frames a step.

    {"frames": Float[l, w], "previous": Float[l, f]}: step i reads the last frame of step i - 1 (zeros at the start) and
    writes `frames[i]`. The last step is filled up with silence. Raises as `SpeechProcessor`.
    """

    def __init__(self, *, reduction: int = 4, max_seconds: float = 20.0):
        self.reduction, self.max_seconds = reduction, max_seconds

    def __call__(self, raw: object) -> dict[str, Tensor]:
        sound = Waveform.of(raw, rate=RATE, max_seconds=self.max_seconds)
        frames = (VOICE(sound.samples) - CENTRE) / SPREAD
        frames = functional.pad(frames, (0, 0, 0, -frames.shape[0] % self.reduction), value=SILENCE)
        steps = frames.reshape(-1, self.reduction * NUM_BANDS)
        previous = functional.pad(steps[:-1, -NUM_BANDS:], (0, 0, 1, 0))
        return {"frames": steps, "previous": previous}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["previous"].shape[0]


@final
class FramePrenet(Prenet):
    """The frame before -> two narrow layers with dropout -> an embedding (SpeechT5, Ao et al. 2022, arXiv:2110.07205).

    The dropout acts in inference too, as in Tacotron 2 (Shen et al. 2018, arXiv:1712.05884): a decoder that sees the
    frame before clearly copies it and stops listening to the text.
    """

    def __init__(self, dim: int, *, width: int = 256, dropout: Dropout | None = None):
        super().__init__()
        self.dropout = AlwaysDropout(rate=0.5) if dropout is None else dropout
        self.first = nn.Linear(NUM_BANDS, width)
        self.second = nn.Linear(width, width)
        self.project = nn.Linear(width, dim)

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        x: Float[Tensor, "p l f"] = arrays["previous"].to(self.project.weight.dtype)
        x = self.dropout(functional.relu(self.first(x)))
        x = self.dropout(functional.relu(self.second(x)))
        embedded: Tensor = self.project(x)
        return embedded


@final
class FramePostnet(Postnet):
    """Hidden states -> frames and stop logits; convolutions refine the whole utterance once, at its end.

    Losses of SpeechT5 (arXiv:2110.07205): L1 before and after the refinement, and cross entropy of the stop logits, in
    which the single last step counts `stop_weight` times. Both frame losses are per value, the stop loss is per step.
    """

    def __init__(
        self,
        dim: int,
        *,
        reduction: int = 4,
        refinement_width: int = 256,
        refinement_layers: int = 3,
        stop_weight: float = 5.0,
        vocoder: Vocoder | None = None,
    ):
        super().__init__()
        self.reduction, self.stop_weight = reduction, stop_weight
        self.vocoder = GriffinLim() if vocoder is None else vocoder
        self.frames = nn.Linear(dim, reduction * NUM_BANDS)
        self.stop = nn.Linear(dim, 1)
        widths = [NUM_BANDS, *[refinement_width] * (refinement_layers - 1), NUM_BANDS]
        self.refinement = nn.ModuleList(
            nn.Conv1d(before, after, kernel_size=5, padding=2)
            for before, after in zip(widths[:-1], widths[1:], strict=True)
        )

    def decode(self, hidden: Float[Tensor, "p l d"]) -> dict[str, Tensor]:
        return {"frames": self.frames(hidden), "stop": self.stop(hidden)[..., 0]}

    def ended(self, decoded: Mapping[str, Tensor], threshold: float) -> Bool[Tensor, "p l"]:
        return decoded["stop"].sigmoid() >= threshold

    def start(self) -> dict[str, Tensor]:
        return {"previous": torch.zeros(1, NUM_BANDS)}

    def feed(self, decoded: Mapping[str, Tensor]) -> dict[str, Tensor]:
        return {"previous": decoded["frames"][..., -NUM_BANDS:]}

    def loss(
        self, hidden: Float[Tensor, "p l d"], arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"]
    ) -> dict[str, Float[Tensor, " p"]]:
        decoded = self.decode(hidden)
        before: Float[Tensor, "p l w"] = decoded["frames"]
        target = arrays["frames"].to(before.dtype)
        if target.shape[-1] != before.shape[-1]:
            given = target.shape[-1] // NUM_BANDS
            raise ValueError(f"frames come {given} a step, but FramePostnet(reduction={self.reduction}) writes them")
        steps = torch.arange(before.shape[1], device=hidden.device)
        inside = steps < lengths[:, None]
        after = self._refine(before, inside)
        last = (steps == lengths[:, None] - 1).to(before.dtype)
        stop = functional.binary_cross_entropy_with_logits(
            decoded["stop"], last, reduction="none", pos_weight=last.new_tensor(self.stop_weight)
        )
        return {
            "before": _mean((before - target).abs().mean(dim=-1), inside),
            "after": _mean((after - target).abs().mean(dim=-1), inside),
            "stop": _mean(stop, inside),
        }

    @torch.no_grad()
    def render(self, decoded: Mapping[str, Tensor]) -> Float[Tensor, " n"]:
        """Samples at 16 kHz (`unimodal.prenets.spectrogram.RATE`), 10 ms a frame."""
        steps: Float[Tensor, "l w"] = decoded["frames"]
        refined = self._refine(steps[None], torch.ones(1, steps.shape[0], dtype=torch.bool, device=steps.device))
        frames: Float[Tensor, "t f"] = refined.reshape(-1, NUM_BANDS).float().cpu()
        return self.vocoder(frames * SPREAD + CENTRE)

    def _refine(self, steps: Float[Tensor, "p l w"], inside: Bool[Tensor, "p l"]) -> Float[Tensor, "p l w"]:
        """Adds what convolutions over the single frames say, each piece as if it stood alone."""
        mask = inside.repeat_interleave(self.reduction, dim=1)[:, None].to(steps.dtype)
        x: Float[Tensor, "p f t"] = steps.reshape(steps.shape[0], -1, NUM_BANDS).transpose(1, 2)
        for layer in self.refinement[:-1]:
            x = torch.tanh(layer(x * mask))
        x = self.refinement[-1](x * mask)
        return steps + x.transpose(1, 2).reshape(steps.shape)


def _mean(values: Float[Tensor, "p l"], inside: Bool[Tensor, "p l"]) -> Float[Tensor, " p"]:
    """Mean over the real steps of each piece."""
    return (values * inside).sum(dim=1) / inside.sum(dim=1)
