"""Text that every Python brings along, as bytes: what miniature language models are trained and asked on.

n windows, t entries
"""

import hashlib
import re
import sysconfig
from functools import cache
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from unimodal.vocabulary import TokenSpace

NUM_TOKENS = 260
"""Every byte, behind the four control ids."""
FIRST_BYTE = TokenSpace.start + 1
_SPLITS = {"train": range(20, 100), "validation": range(10, 20), "test": range(10)}
"""Which hundredths of the files belong to a split."""
_SKIPPED = re.compile(
    r"(^|/)(tests?|idlelib|turtledemo|lib2to3|ensurepip|pydoc_data|encodings|site-packages|__pycache__)/"
)
"""Tests, programs and tables: no code that a person wrote to be read."""


@cache
def library_text(split: str) -> bytes:
    """The source files of Python's standard library that belong to `train`, `validation` or `test`, end to end."""
    root = Path(sysconfig.get_paths()["stdlib"])
    files = [path.relative_to(root).as_posix() for path in sorted(root.rglob("*.py"))]
    return b"".join((root / file).read_bytes() for file in files if not _SKIPPED.search(file) and _is_of(split, file))


@cache
def topics_text(split: str) -> bytes:
    """Another text, English prose on the language: the topics of `help()` that belong to a split, end to end."""
    from pydoc_data.topics import topics

    return "\n".join(topics[name] for name in sorted(topics) if _is_of(split, name)).encode()


def _is_of(split: str, name: str) -> bool:
    """A hash of its name puts a file into a split, so no other file can move it."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") % 100 in _SPLITS[split]


def tokens_of(text: bytes) -> Int[Tensor, " t"]:
    """The ids of a text's bytes."""
    return torch.frombuffer(bytearray(text), dtype=torch.uint8).long() + FIRST_BYTE


def text_of(tokens: Int[Tensor, " t"]) -> bytes:
    """The bytes that ids stand for; control ids stand for none."""
    return bytes((tokens[tokens >= FIRST_BYTE] - FIRST_BYTE).tolist())


def draw_windows(
    tokens: Int[Tensor, " length"], num: int, time: int, generator: torch.Generator
) -> Int[Tensor, "{num} {time}"]:
    """Windows that begin anywhere in a text."""
    starts = torch.randint(len(tokens) - time + 1, (num,), generator=generator)
    return tokens[starts[:, None] + torch.arange(time)]


def spread_windows(tokens: Int[Tensor, " length"], num: int, time: int) -> Int[Tensor, "{num} {time}"]:
    """Windows evenly through a text, always the same: what held-out losses are measured on."""
    starts = torch.linspace(0, len(tokens) - time, num).long()
    return tokens[starts[:, None] + torch.arange(time)]
