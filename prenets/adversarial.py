"""Teaches the vocoder of a post-net: it is to sound as what was recorded, to a loss and to nets that learn to hear.

p pieces, l steps of a piece, k steps of a segment, n samples, w a step's values, t frames, f mel bands
"""

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import cast, final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.func import functional_call

from unimodal.batching import Batch, Pieces
from unimodal.model import Output, UnimodalForConditionalGeneration
from unimodal.objectives import Loss, Term, example_of, mean_by_example
from unimodal.prenets.discriminators import Discriminator
from unimodal.prenets.frames import CENTRE, SPREAD, FramePostnet
from unimodal.prenets.spectrogram import NUM_BANDS, VOICE

Heard = list[Tensor]
"""What each layer of a discriminator heard, [p, ...]."""


@final
class Adversarial(Loss):
    """The losses of HiFi-GAN (Kong et al. 2020, 2010.05646) on segments of `steps` steps of recorded frames.

    `discriminator` moves the discriminators alone, `adversarial`, `features` and `mel` the vocoder alone: the gradients
    of one sum never meet, so one optimiser of all parameters is two. Both sides step at once, where the paper lets the
    discriminators step first. Segments begin anywhere while it trains, else at the start; a piece that is shorter has
    no target. Raises ValueError for a post-net whose vocoder does not learn, and for frames without their sound.
    """

    def __init__(
        self,
        *,
        net: str,
        discriminators: Sequence[Discriminator],
        steps: int = 16,
        features: float = 2.0,
        mel: float = 45.0,
    ) -> None:
        super().__init__()
        self.net, self.steps = net, steps
        self.weights = {"discriminator": 1.0, "adversarial": 1.0, "features": features, "mel": mel}
        self.discriminators = nn.ModuleList(discriminators)

    def needs_weights(self, batch: Batch) -> Collection[str]:
        return ()

    def terms(self, model: UnimodalForConditionalGeneration, output: Output, batch: Batch) -> dict[str, Term]:
        if batch.target is None or self.net not in batch.target.pieces:
            return {}
        pieces = batch.target.pieces[self.net]
        long = (pieces.entries >= self.steps).nonzero()[:, 0]
        if not len(long):
            return {}
        frames, recorded = self._segments(pieces, long)
        made = _vocoder(model, self.net)(frames)
        examples = example_of(pieces, batch.target)[long]
        return {
            f"{self.net}.{name}": replace(
                mean_by_example(loss, examples, batch.num_examples), weight=self.weights[name]
            )
            for name, loss in self._losses(made, recorded).items()
        }

    def _segments(self, pieces: Pieces, long: Int[Tensor, " p"]) -> tuple[Float[Tensor, "p t f"], Float[Tensor, "p n"]]:
        """Frames on the vocoder's scale, and their recorded sound."""
        if "sound" not in pieces.arrays:
            raise ValueError(f"objective: {self.net} come without their sound: set keeps_sound of its processor")
        room = pieces.entries[long] - self.steps + 1
        begins = (torch.rand(len(long), device=room.device) * room).long() if self.training else torch.zeros_like(room)
        places = begins[:, None] + torch.arange(self.steps, device=room.device)
        frames, sound = (pieces.arrays[name][long[:, None], places] for name in ("frames", "sound"))
        return frames.reshape(len(long), -1, NUM_BANDS) * SPREAD + CENTRE, sound.flatten(1)

    def _losses(self, made: Float[Tensor, "p n"], recorded: Float[Tensor, "p n"]) -> dict[str, Float[Tensor, " p"]]:
        """Of each piece, summed over the discriminators."""
        found = {"mel": _rows((VOICE(made) - VOICE(recorded)).abs())}
        for one in self.discriminators:
            discriminator = cast(Discriminator, one)
            true, false = discriminator(recorded), discriminator(made.detach())
            # The same net with weights that stand still: what it says of `made` moves the vocoder alone.
            still = {name: weight.detach() for name, weight in discriminator.named_parameters()}
            judged: Heard = functional_call(discriminator, still, (made,))
            losses = {
                "discriminator": _rows((1 - true[-1]).square()) + _rows(false[-1].square()),
                "adversarial": _rows((1 - judged[-1]).square()),
                "features": _distances(true[:-1], judged[:-1]),
            }
            for name, loss in losses.items():
                found[name] = found[name] + loss if name in found else loss
        return found


def _vocoder(model: UnimodalForConditionalGeneration, net: str) -> nn.Module:
    """The part of a post-net that learns to make sound."""
    vocoder: object = cast(FramePostnet, model.postnet(net)).vocoder if net in model.postnets else None
    if not isinstance(vocoder, nn.Module):
        raise ValueError(f"objective: the model's post-net {net} has no vocoder that learns")
    return vocoder


def _distances(true: Heard, judged: Heard) -> Float[Tensor, " p"]:
    """How far apart two sounds are to a discriminator's layers."""
    layers = zip(true, judged, strict=True)
    return torch.stack([_rows((one.detach() - other).abs()) for one, other in layers]).sum(0)


def _rows(values: Float[Tensor, "p *shape"]) -> Float[Tensor, " p"]:
    return values.flatten(1).mean(1)
