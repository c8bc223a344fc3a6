"""What answers point at in a picture, and the picture with it drawn in."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from jaxtyping import Float
from torch import Tensor

if TYPE_CHECKING:
    from PIL.Image import Image

COLOUR = (214, 39, 40)
FORMATS = frozenset({".png", ".jpg", ".jpeg", ".webp"})
"""Of files that pictures are written to, by the end of their names."""
SHARE_OF_LINES = 300
"""Lines are one pixel wide for so many pixels of the picture's longer side."""


@final
@dataclass(frozen=True)
class Annotation:
    """A place of a picture, or an outline, with a label; a point is x and y in shares of width and height."""

    points: tuple[tuple[float, float], ...]
    label: str = ""

    def __str__(self) -> str:
        """Its label, and the middle of its points."""
        x, y = (sum(shares) / len(self.points) for shares in zip(*self.points, strict=True))
        return f"{self.label} at {x:.3f} {y:.3f}".strip().removeprefix("at ")


def draw(picture: Float[Tensor, "3 i j"], annotations: Sequence[Annotation]) -> "Image":
    """The picture, from 0 to 1, with outlines as closed lines, places as dots, and labels above them."""
    from PIL import ImageDraw, ImageFont

    image = to_pillow(picture)
    pen, line = ImageDraw.Draw(image), max(1, round(max(image.size) / SHARE_OF_LINES))
    font = ImageFont.load_default(size=8 + 3 * line)
    for annotation in annotations:
        pixels = [(x * (image.width - 1), y * (image.height - 1)) for x, y in annotation.points]
        left, top = (min(values) for values in zip(*pixels, strict=True))
        if len(pixels) == 1:
            pen.circle(pixels[0], 2 * line, fill=COLOUR)
        else:
            pen.line([*pixels, pixels[0]], fill=COLOUR, width=line, joint="curve")
        if annotation.label:
            box = pen.textbbox((left, max(0, top - 2 * line)), annotation.label, font=font, anchor="ls")
            down = max(0, line - box[1])  # labels of what touches the upper border lie within it
            pen.rectangle((box[0] - line, box[1] - line + down, box[2] + line, box[3] + line + down), fill="white")
            pen.text((left, max(0, top - 2 * line) + down), annotation.label, font=font, anchor="ls", fill=COLOUR)
    return image


def to_pillow(picture: Float[Tensor, "3 i j"]) -> "Image":
    """A picture from 0 to 1 as one of Pillow's, in 256 levels."""
    from PIL import Image

    return Image.fromarray((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy())
