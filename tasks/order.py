"""The order of examples."""

import hashlib
from collections.abc import Iterable

from unimodal.task import Example


def mixed(examples: Iterable[Example]) -> list[Example]:
    """In the order of a hash of their keys: the first hundred stand for all, whichever order the corpus has."""
    return sorted(examples, key=lambda example: rank(example.key))


def rank(key: str) -> bytes:
    """Where a key stands in a mixed order."""
    return hashlib.sha256(key.encode()).digest()
