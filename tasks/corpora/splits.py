"""Splits that keep what belongs together on one side."""

import hashlib
from collections.abc import Iterable, Mapping

_VALIDATION_SHARE = 0.10
_TEST_SHARE = 0.15


def split_of(group: str) -> str:
    """The split of a group, one of `unimodal.task.SPLITS`.

    A hash of its name decides, so neither the order nor other groups can move it.
    """
    digest = hashlib.sha256(group.encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    if place < _TEST_SHARE:
        return "test"
    return "validation" if place < _TEST_SHARE + _VALIDATION_SHARE else "train"


def connected_groups(labels_of: Mapping[str, Iterable[str]]) -> dict[str, str]:
    """Each key's group: keys that share a label, directly or through others, are one group, named by its first key."""
    parent = {key: key for key in labels_of}

    def root(key: str) -> str:
        while parent[key] != key:
            parent[key] = parent[parent[key]]
            key = parent[key]
        return key

    owner: dict[str, str] = {}
    for key, labels in labels_of.items():
        for label in labels:
            first, second = sorted((root(key), root(owner.setdefault(label, key))))
            parent[second] = first
    return {key: root(key) for key in labels_of}
