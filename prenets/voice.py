"""Whose voice speaks: what a speaker encoder, or a file of the user's, says of somebody. s values of a voice"""

from dataclasses import dataclass
from typing import final

from torch import Tensor


@final
@dataclass(frozen=True, eq=False)
class Voice:
    """A speaker as a vector, of which the direction alone counts. Raises ValueError for a vector that has none."""

    vector: Tensor
    """[s]."""
    name: str = "voice"
    """What messages call it."""

    def __post_init__(self) -> None:
        vector = self.vector
        if vector.ndim != 1 or not vector.is_floating_point() or not bool(vector.isfinite().all()):
            raise ValueError(f"{self.name}: a voice is a row of finite numbers, not {tuple(vector.shape)}")
        if not bool(vector.any()):
            raise ValueError(f"{self.name}: a vector of nothing but zeros is nobody's voice")
