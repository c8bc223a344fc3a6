"""What pictures show behind what is drawn in them, and in which colours that can be read.

h rows and w columns of a picture, i and j those of another
"""

from collections.abc import Callable, Sequence
from random import Random
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

LEAST_CONTRAST = 0.35

Backdrop = Callable[[Random, int, int], Float[Tensor, "3 h w"]]
"""What a picture of so many rows and columns shows behind what is drawn in it."""


def paper(chance: Random, height: int, width: int) -> Float[Tensor, "3 h w"]:
    """A backdrop of one light colour that grows darker to one side, with grain."""
    colour = torch.tensor([chance.uniform(0.75, 1.0) for _ in range(3)])
    generator = torch.Generator().manual_seed(chance.getrandbits(63))
    grain = 0.02 * torch.randn(height, width, generator=generator)
    shade = torch.linspace(chance.uniform(-0.1, 0), chance.uniform(-0.1, 0), width)
    return (colour[:, None, None] + grain + shade).clamp(0, 1)


@final
class Photographs:
    """Backdrops that are cut out of pictures; those with little room are shown larger."""

    def __init__(self, pictures: Sequence[Callable[[], Float[Tensor, "3 i j"]]]) -> None:
        """`pictures`: each is read when it is shown."""
        if not pictures:
            raise ValueError("pictures: there is none to be shown")
        self._pictures = tuple(pictures)

    def __call__(self, chance: Random, height: int, width: int) -> Float[Tensor, "3 h w"]:
        shown = chance.choice(self._pictures)()
        scale = max(height / shown.shape[1], width / shown.shape[2]) * chance.uniform(1.0, 2.0)
        rows, columns = (
            max(least, round(scale * size)) for least, size in zip((height, width), shown.shape[1:], strict=True)
        )
        larger = functional.interpolate(shown[None], (rows, columns), mode="bilinear", antialias=True)[0].clamp(0, 1)
        top, left = chance.randint(0, rows - height), chance.randint(0, columns - width)
        return larger[:, top : top + height, left : left + width]


def colour_on(ground: Float[Tensor, " 3"], chance: Random, *, least: float = LEAST_CONTRAST) -> Float[Tensor, " 3"]:
    """A colour that can be read on another: lighter or darker than it by `least` at least."""
    weights = torch.tensor([0.299, 0.587, 0.114])
    while True:
        colour = torch.tensor([chance.random() for _ in range(3)])
        if abs(float((colour - ground) @ weights)) >= least:
            return colour
