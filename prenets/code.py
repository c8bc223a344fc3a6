"""Source code: text whose indentation is written as changes, with the number of its line at every token.

p pieces, l entries, d width
"""

from collections.abc import Mapping
from typing import final

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from unimodal.modality import Embed, Prenet, Processor
from unimodal.prenets.places import Places
from unimodal.prenets.text import encode_text
from unimodal.vocabulary import Vocabulary

DEEPER, SHALLOWER, LITERAL = "\x0f", "\x0e", "\x10"
"""Control characters that no source uses (shift in, shift out, data link escape): each is one byte, so one token."""
LEVEL = " " * 4


def compact(source: str) -> str:
    """Source with each line's indentation written as a change of level against the line before, without loss.

    >>> compact("if x:\\n    y()\\n    z()\\nw()")
    'if x:\\n\\x0fy()\\nz()\\n\\x0ew()'

    A level is four spaces; what is left of an odd indentation stays, and so does a line of nothing but spaces. Code
    reads the same at any depth, and the standard library takes 3 % fewer tokens (1,500 pieces learned from each form).
    """
    lines, level = [], 0
    for line in source.split("\n"):
        text = line.lstrip(" ")
        if text:
            before, level = level, (len(line) - len(text)) // len(LEVEL)
            change = DEEPER * (level - before) + SHALLOWER * (before - level)
            line = line[level * len(LEVEL) :]
            line = change + (LITERAL if line[0] in (DEEPER, SHALLOWER, LITERAL) else "") + line
        lines.append(line)
    return "\n".join(lines)


def restore(compacted: str) -> str:
    """Undoes `compact`. Text that `compact` never writes is read as well as it can be: no level lies below 0."""
    lines, level = [], 0
    for line in compacted.split("\n"):
        text = line.lstrip(DEEPER + SHALLOWER)
        change = line[: len(line) - len(text)]
        level = max(0, level + change.count(DEEPER) - change.count(SHALLOWER))
        lines.append(LEVEL * level + text.removeprefix(LITERAL) if text.strip(" ") else text)
    return "\n".join(lines)


@final
class CodeProcessor(Processor):
    """Source as a string -> {"ids": Long[l], "lines": Long[l]}: pieces of the compacted source, the line of each.

    Lines count from 0, a line's break belongs to it. Raises ValueError for source that is empty or has more than
    `max_tokens` pieces.
    """

    def __init__(self, vocabulary: Vocabulary, *, max_tokens: int = 1024):
        self.vocabulary, self.max_tokens = vocabulary, max_tokens
        (self.line_break,) = vocabulary.pieces.encode("\n")

    def __call__(self, raw: object) -> dict[str, Tensor]:
        compacted = compact(raw) if isinstance(raw, str) else raw
        ids = torch.tensor(encode_text(self.vocabulary, compacted, what="code", max_tokens=self.max_tokens))
        breaks = ids == self.line_break
        return {"ids": ids, "lines": breaks.cumsum(0) - breaks.long()}

    def positions(self, arrays: Mapping[str, Tensor]) -> int:
        return arrays["ids"].shape[0]


@final
class CodePrenet(Prenet):
    """The ids' embeddings plus a learned one for the line: programs are read by lines, prose is not.

    Code shares the token table with text, since names and comments are words; the lines' embeddings, of which the first
    is always there, also tell it from text. Lines from `num_lines - 1` on share the last one.
    """

    def __init__(self, dim: int, *, num_lines: int = 64):
        super().__init__()
        self.last = num_lines - 1
        self.norm = nn.LayerNorm(dim)
        self.places = Places(dim, sizes={"lines": num_lines})

    def embed(self, arrays: Mapping[str, Tensor], lengths: Int[Tensor, " p"], tokens: Embed) -> Float[Tensor, "p l d"]:
        lines = arrays["lines"].clamp_max(self.last)
        x: Tensor = self.norm(tokens(arrays["ids"])) + self.places({"lines": lines})
        return x
