"""Sound while frames still come. t frames of a chunk, f mel bands, n samples, r frames that are held"""

from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.vocoders.hifigan import HifiGan


@final
class SoundStream:
    """Chunks of frames of one utterance -> their sound, chunk by chunk. Law: together it is the sound of all at once.

    A sample hears `vocoder.context` frames to either side of its own, so what has come last is held back until they are
    there, and as many are heard again with the next chunk.
    """

    def __init__(self, vocoder: HifiGan) -> None:
        self._vocoder = vocoder
        self._held: Float[Tensor, "r f"] | None = None
        self._said = 0
        """Of the frames held, those at the beginning whose sound was given."""

    @torch.no_grad()
    def step(self, frames: Float[Tensor, "t f"]) -> Float[Tensor, " n"]:
        """What can be said now; nothing while too few frames have come."""
        held = frames if self._held is None else torch.cat([self._held, frames])
        until = max(held.shape[0] - self._vocoder.context, self._said)
        sound = self._sound(held, until)
        begin = max(until - self._vocoder.context, 0)
        self._held, self._said = held[begin:], until - begin
        return sound

    @torch.no_grad()
    def flush(self) -> Float[Tensor, " n"]:
        """The rest; the next chunk begins another utterance."""
        held, self._held = self._held, None
        if held is None:
            return torch.zeros(0)
        sound = self._sound(held, held.shape[0])
        self._said = 0
        return sound

    def _sound(self, held: Float[Tensor, "r f"], until: int) -> Float[Tensor, " n"]:
        if until == self._said:
            return held.new_zeros(0)
        samples: Tensor = self._vocoder(held)
        return samples[self._said * self._vocoder.hop : until * self._vocoder.hop]
