"""The likeliest token, always."""

from collections.abc import Collection
from typing import final

from unimodal.samplers import Sampler, Search
from unimodal.samplers.best import find_likeliest
from unimodal.samplers.independent import IndependentSearch


@final
class Greedy(Sampler):
    """Takes the token with the highest score; of equals, the first."""

    streams = True

    def search(self, examples: int, *, ends: Collection[int], limit: int, scored: bool = True) -> Search:
        return IndependentSearch(examples, ends=ends, limit=limit, scored=scored, pick=find_likeliest)
