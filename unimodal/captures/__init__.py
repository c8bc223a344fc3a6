"""Captures: how a step's pass and head are run: as they are written, or as recordings of them."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from unimodal.decoding.programs import Runner

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


class Capture(ABC):
    """A way to run programs.

    Laws: what a runner gives, and what it writes into the cache, is what the program itself would, up to rounding; a
    model whose weights have changed since is run with the new ones.
    """

    @abstractmethod
    def runner(self, model: "UnimodalForConditionalGeneration") -> Runner:
        """For the programs of one generation. Raises ValueError for a model with which it cannot be done."""
