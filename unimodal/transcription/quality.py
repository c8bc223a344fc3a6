"""When what was written for a window is thrown away."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from unimodal.transcription.options import TranscriptionOptions

COLD = 0.5
"""Text that was drawn at this temperature or above is no good context for the next window."""


@final
@dataclass(frozen=True)
class Attempt:
    """What was written for a window at one temperature, the end token among its tokens where it ended by itself."""

    tokens: tuple[int, ...]
    mean_log_probability: float
    temperature: float


def compression_ratio(tokens: Sequence[int], size: int) -> float:
    """How many times shorter zlib makes the tokens' bytes, of a vocabulary of `size`."""
    length = int(math.log2(size) / 8) + 1
    raw = b"".join(token.to_bytes(length, "little") for token in tokens)
    return len(raw) / len(zlib.compress(raw))


def is_silence(attempt: Attempt, no_speech: float | None, options: TranscriptionOptions) -> bool:
    """Whether nobody speaks: `no_speech`, the probability of the token for it, is high, that of the text low."""
    if options.no_speech_threshold is None or no_speech is None or options.logprob_threshold is None:
        return False
    return attempt.mean_log_probability < options.logprob_threshold and no_speech > options.no_speech_threshold


def is_poor(attempt: Attempt, options: TranscriptionOptions, size: int) -> bool:
    """Whether another temperature may do better."""
    highest, lowest = options.compression_ratio_threshold, options.logprob_threshold
    repeats = highest is not None and compression_ratio(attempt.tokens, size) > highest
    return repeats or (lowest is not None and attempt.mean_log_probability < lowest)
