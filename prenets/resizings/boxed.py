"""One size for all pictures."""

from typing import final

from unimodal.prenets.resizings import Fit, Resizing, scaled


@final
class Boxed(Resizing):
    """Scaled up or down until one side fills the box: every picture fills the same number of entries."""

    def __init__(self, *, height: int, width: int):
        self.height, self.width = height, width

    def fit(self, height: int, width: int) -> Fit:
        content = scaled(height, width, min(self.height / height, self.width / width))
        return Fit(content, (self.height, self.width))
