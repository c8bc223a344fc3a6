"""How log-mel frames become sound."""

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor


class Vocoder(ABC):
    """Frames of `unimodal.prenets.spectrogram.VOICE` (natural logarithm, 80 bands, 10 ms) -> samples at 16 kHz.

    Laws: t frames give 160 t samples within -1 and 1; the same frames give the same samples; the frames of the samples
    are near the frames that were given.
    """

    @abstractmethod
    def __call__(self, frames: Float[Tensor, "t f"]) -> Float[Tensor, " n"]:
        """The sound of one utterance."""
