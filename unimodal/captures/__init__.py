"""Captures: how the decoder's pass of each step is run: as it is written, or as a recording of it."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from unimodal.decoder_pass import Runner

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


class Capture(ABC):
    """A way to run passes.

    Laws: what a runner gives, and what it writes into the cache, is what the pass itself would, up to rounding; a model
    whose weights have changed since is run with the new ones.
    """

    @abstractmethod
    def runner(self, model: "UnimodalForConditionalGeneration") -> Runner:
        """For the passes of one generation. Raises ValueError for a model with which it cannot be done."""
