"""A budget of pixels, whatever the shape."""

from typing import final

from unimodal.prenets.resizings import Fit, Resizing, scaled


@final
class Area(Resizing):
    """Shrunk to at most `pixels` and `longest` on a side, never enlarged: small or long pictures keep every stroke.

    As NaViT (Dehghani et al. 2023, arXiv:2307.06304) keeps aspect and resolution. A 28 x 112 strip of digits and a
    64 x 64 drawing share one net, at their own lengths.
    """

    def __init__(self, *, pixels: int, longest: int):
        self.pixels, self.longest = pixels, longest

    def fit(self, height: int, width: int) -> Fit:
        factor = min(1.0, (self.pixels / (height * width)) ** 0.5, self.longest / max(height, width))
        content = scaled(height, width, factor)
        return Fit(content, content)
