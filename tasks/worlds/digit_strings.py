"""Pictures of short numbers, composed of single handwritten digits.

n digits in the collection; in their pictures ink is 1 and paper 0, in composed ones, as in a scan, ink is 0
"""

from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.tasks.worlds import World

HEIGHT, WIDTH = 28, 112
LENGTHS = (2, 4)
GAP = (-3, 0)
"""Pixels between the frames of neighbours; a frame has about four blank pixels on each side."""
MARGIN = 4
"""The most pixels to the left of the first digit, as when a form is filled in."""
SIDE = 28


@final
@dataclass(frozen=True, eq=False)
class DrawnNumber:
    """A grey picture in 0..1 and the digits in it."""

    picture: Float[Tensor, "3 28 112"]
    digits: str


@final
class DigitStrings(World[DrawnNumber]):
    """Two to four digits side by side, with jitter in gap and margin; all lengths are equally likely."""

    def __init__(self, pictures: Float[Tensor, "n 28 28"], labels: Sequence[int]) -> None:
        self.pictures, self.labels = pictures, labels

    def draw(self, seed: int) -> DrawnNumber:
        generator = Random(seed)
        chosen = [generator.randrange(len(self.labels)) for _ in range(generator.randint(*LENGTHS))]
        digits = "".join(str(self.labels[digit]) for digit in chosen)
        return DrawnNumber(self._compose(chosen, generator), digits)

    def _compose(self, chosen: Sequence[int], generator: Random) -> Float[Tensor, "3 28 112"]:
        ink = torch.zeros(HEIGHT, WIDTH)
        gaps = [generator.randint(*GAP) for _ in chosen[1:]]
        left = generator.randint(0, min(MARGIN, WIDTH - SIDE * len(chosen) - sum(gaps)))
        for digit, gap in zip(chosen, [*gaps, 0], strict=True):
            place = ink[:, left : left + SIDE]
            place.copy_(torch.maximum(place, self.pictures[digit]))
            left += SIDE + gap
        return (1 - ink).expand(3, HEIGHT, WIDTH)
