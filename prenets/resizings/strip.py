"""One height, any width: lines of text or digits."""

from typing import final

from unimodal.prenets.resizings import Fit, Resizing, scaled


@final
class Strip(Resizing):
    """Scaled to a height; what is then wider than `longest` is shrunk to that width and stands at the top."""

    def __init__(self, *, height: int, longest: int):
        self.height, self.longest = height, longest

    def fit(self, height: int, width: int) -> Fit:
        content = scaled(height, width, min(self.height / height, self.longest / width))
        return Fit(content, (self.height, content[1]))
