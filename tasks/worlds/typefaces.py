"""Typefaces at the sizes at which they are drawn."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.ImageFont import FreeTypeFont


@lru_cache(maxsize=512)
def typeface(face: Path, size: int) -> "FreeTypeFont":
    """A face so many pixels high; those drawn last are kept."""
    from PIL import ImageFont

    return ImageFont.truetype(face, size)
