"""Architectures: which head a checkpoint was saved with."""

from collections.abc import Mapping
from typing import Any


def architecture(theirs: Mapping[str, Any], *endings: str) -> str:
    """Which of some endings (`ForCausalLM`) the name in `architectures` has; the first where none is named.

    Raises ValueError for any other.
    """
    named = (theirs.get("architectures") or [endings[0]])[0]
    found = next((ending for ending in endings if named.endswith(ending)), None)
    if found is None:
        raise ValueError(f"architectures: '{named}' ends with none of {', '.join(endings)}")
    return found
