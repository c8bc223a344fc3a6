"""In proportion to sizes, flattened."""

from collections.abc import Mapping
from typing import final

from unimodal.training.data.mixtures import Mixture, normalized


@final
class Temperature(Mixture):
    """Sizes to the power of 1/temperature (Arivazhagan et al. 2019, 1907.05019).

    Temperature 1 is in proportion to sizes, a high one makes all alike; a size counts as at most `most`, so that made
    data without end drowns nothing.
    """

    def __init__(self, *, temperature: float = 1.0, most: int = 100_000) -> None:
        if temperature <= 0:
            raise ValueError(f"temperature: expected a number above 0, got {temperature}")
        self.temperature, self.most = temperature, most

    def shares(self, sizes: Mapping[str, int]) -> dict[str, float]:
        return normalized({task: min(size, self.most) ** (1 / self.temperature) for task, size in sizes.items()})
