"""Pictures with words in them, straight, turned or bent, each of which knows where it stands and what it says.

h rows and w columns of a picture, i and j those of a strip with one word, n points
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from unimodal.codecs.points import Point
from unimodal.codecs.spotting import NUM_SIDE, SpottedWord
from unimodal.tasks.worlds import World
from unimodal.tasks.worlds.backdrops import Backdrop, colour_on
from unimodal.tasks.worlds.lexicons import Lexicon
from unimodal.tasks.worlds.typefaces import typeface

STRIP = 48
"""Pixels that a word is drawn high, before it is laid into a picture."""
TRIALS = 40
"""Places that are tried for a word before it is left out."""
MARGIN = 1.0
"""Pixels that stay free between words, and at the borders."""

Patch = tuple[slice, slice]
"""Some rows and columns of a picture."""


@final
@dataclass(frozen=True, eq=False)
class DrawnWords:
    """A picture in 0..1, and its words in the order of their centres, from top to bottom and from left to right."""

    picture: Float[Tensor, "3 h w"]
    words: tuple[SpottedWord, ...]


@final
@dataclass(frozen=True)
class Sizes:
    """Of pictures and of what is drawn in them."""

    height: int = 128
    width: int = 128
    num_words: tuple[int, int] = (3, 12)
    letter: tuple[float, float] = (9.0, 16.0)
    """Pixels that a word is high, from and to."""
    turn: float = 20.0
    """Degrees that a word is turned at most."""
    bend: float = 60.0
    """Degrees of a circle that a word is bent along at most; half of all words are straight."""


@final
class WordsInPictures(World[DrawnWords]):
    """Words drawn with real typefaces on backdrops; no two of them overlap.

    A word is drawn flat, then laid along the arc of a circle, so that its outline is known to the pixel: how many
    words, which, their face, place, size, turn, bend and colour are drawn from the seed. Where no room is left, a
    picture has fewer words than were drawn.
    """

    def __init__(self, lexicon: Lexicon, faces: Sequence[Path], backdrop: Backdrop, sizes: Sizes = Sizes()) -> None:
        if not faces:
            raise ValueError("faces: there is no typeface to draw with")
        self._lexicon, self._faces, self._backdrop, self.sizes = lexicon, tuple(faces), backdrop, sizes

    def draw(self, seed: int) -> DrawnWords:
        chance, sizes = Random(seed), self.sizes
        picture = self._backdrop(chance, sizes.height, sizes.width).clone()
        taken = torch.zeros(sizes.height, sizes.width, dtype=torch.bool)
        words = []
        for _ in range(chance.randint(*sizes.num_words)):
            text = self._lexicon.word(chance)
            strip = draw_strip(text, chance.choice(self._faces))
            arc = self._place(strip.shape[1] / strip.shape[0], taken, chance)
            if arc is None:
                continue
            patch = arc.patch(sizes.height, sizes.width)
            ink, area = arc.lay(strip, patch)
            shown = picture[:, *patch]
            colour = colour_on(shown[:, area].mean(1), chance)
            shown += ink * (colour[:, None, None] - shown)
            taken[patch] |= area
            words.append(SpottedWord(text, arc.outline(sizes.height, sizes.width)))
        return DrawnWords(picture, tuple(sorted(words, key=lambda word: word.centre[::-1])))

    def _place(self, ratio: float, taken: Bool[Tensor, "h w"], chance: Random) -> "Arc | None":
        """Where a word whose width is `ratio` times its height may stand without touching another."""
        sizes = self.sizes
        for _ in range(TRIALS):
            height = chance.uniform(*sizes.letter)
            bend = chance.choice((0.0, 1.0)) * chance.uniform(-sizes.bend, sizes.bend)
            x, y = chance.uniform(0, sizes.width), chance.uniform(0, sizes.height)
            turn = chance.uniform(-sizes.turn, sizes.turn)
            arc = Arc(x, y, ratio * height, height, math.radians(turn), math.radians(bend))
            free = MARGIN / min(taken.shape)
            if not all(free <= share <= 1 - free for point in arc.outline(*taken.shape) for share in point):
                continue
            patch = arc.patch(*taken.shape, margin=MARGIN)
            if not taken[patch].any() or not (arc.area(patch, margin=MARGIN) & taken[patch]).any():
                return arc
        return None


@final
@dataclass(frozen=True)
class Arc:
    """Where a word lies: its middle (x, y), its size along and across, in pixels; angles in radians.

    It runs along a circle of which it takes `bend` (positive: the ends hang down), and is turned about its middle.
    """

    x: float
    y: float
    length: float
    height: float
    turn: float
    bend: float

    def point(self, along: float, across: float) -> Point:
        """The pixel of a place in the word: `along` and `across` are shares of its size, from its upper left corner."""
        s, d = (along - 0.5) * self.length, (across - 0.5) * self.height
        if self.bend:
            radius = self.length / self.bend  # signed: the circle's centre lies below the middle, or above it
            angle = s / radius
            u, v = (radius - d) * math.sin(angle), radius - (radius - d) * math.cos(angle)
        else:
            u, v = s, d
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        return self.x + cos * u - sin * v, self.y + sin * u + cos * v

    def outline(self, height: int, width: int) -> tuple[Point, ...]:
        """Its edges, in shares of a picture of so many rows and columns."""
        along = [place / (NUM_SIDE - 1) for place in range(NUM_SIDE)]
        edges = [self.point(share, 0.0) for share in along] + [self.point(share, 1.0) for share in reversed(along)]
        return tuple((x / width, y / height) for x, y in edges)

    def patch(self, height: int, width: int, *, margin: float = 0.0) -> Patch:
        """The rows and columns of a picture in which all of the word lies, and what is no farther than a margin."""
        xs, ys = zip(*self.outline(1, 1), strict=True)
        beside = margin + 1  # between two vertices the outer edge of a bent word lies farther out than both
        return _span(min(ys) - beside, max(ys) + beside, height), _span(min(xs) - beside, max(xs) + beside, width)

    def lay(self, strip: Float[Tensor, "i j"], patch: Patch) -> tuple[Float[Tensor, "h w"], Bool[Tensor, "h w"]]:
        """A word's ink in some rows and columns of a picture, from 0 to 1, and which pixels there lie in the word."""
        along, across = self._places(patch)
        grid = torch.stack((2 * along - 1, 2 * across - 1), -1)[None]
        ink = functional.grid_sample(strip[None, None], grid, align_corners=False, padding_mode="zeros")[0, 0]
        area = _within(along) & _within(across)
        return torch.where(area, ink, 0.0), area

    def area(self, patch: Patch, *, margin: float = 0.0) -> Bool[Tensor, "h w"]:
        """The pixels, of some rows and columns, that lie in the word, and those no farther from it than a margin."""
        along, across = self._places(patch)
        return _within(along, margin / self.length) & _within(across, margin / self.height)

    def _places(self, patch: Patch) -> tuple[Float[Tensor, "h w"], Float[Tensor, "h w"]]:
        """Where in the word each pixel's middle lies, as in `point`."""
        rows, columns = (torch.arange(span.start, span.stop) + 0.5 for span in patch)
        y, x = (rows - self.y)[:, None], (columns - self.x)[None]
        cos, sin = math.cos(self.turn), math.sin(self.turn)
        u, v = cos * x + sin * y, cos * y - sin * x
        if self.bend:
            radius = self.length / self.bend
            sign = math.copysign(1.0, radius)
            s = radius * torch.atan2(sign * u, sign * (radius - v))
            d = radius - sign * torch.hypot(u, radius - v)
        else:
            s, d = u, v
        return s / self.length + 0.5, d / self.height + 0.5


def draw_strip(text: str, face: Path) -> Float[Tensor, "i j"]:
    """A word's ink, drawn flat and cut to its letters: 1 where the ink is, 0 around it."""
    import numpy as np
    from PIL import Image, ImageDraw

    font = typeface(face, STRIP)
    left, top, right, bottom = font.getbbox(text)
    size = max(1, math.ceil(right - left)), max(1, math.ceil(bottom - top))
    image = Image.new("L", size)
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 255)


def _span(low: float, high: float, size: int) -> slice:
    return slice(max(0, math.floor(low)), min(size, math.ceil(high)))


def _within(share: Float[Tensor, "h w"], margin: float = 0.0) -> Bool[Tensor, "h w"]:
    return (share >= -margin) & (share <= 1 + margin)
