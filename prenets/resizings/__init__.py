"""How large a picture is before it is cut into patches."""

from abc import ABC, abstractmethod
from dataclasses import dataclass


@dataclass(frozen=True)
class Fit:
    """(height, width) of the scaled picture, and of the canvas that it is put on, at its top left."""

    content: tuple[int, int]
    canvas: tuple[int, int]


class Resizing(ABC):
    """Size of a picture -> its fit. Laws: the content is inside the canvas and keeps its aspect to the pixel."""

    @abstractmethod
    def fit(self, height: int, width: int) -> Fit:
        """The fit of a picture of this size."""


def scaled(height: int, width: int, factor: float) -> tuple[int, int]:
    """Height and width times a factor, at least one pixel each."""
    return max(1, round(height * factor)), max(1, round(width * factor))
