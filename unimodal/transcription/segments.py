"""Cuts what was written for a window at its times."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import torch

SECONDS = 0.02
"""From one time to the next."""
FRAMES = 2
"""Of the spectrogram, from one time to the next."""


@final
@dataclass(frozen=True)
class Segment:
    """What was said from `start` to `end`, in seconds; times are among its tokens."""

    start: float
    end: float
    tokens: tuple[int, ...]

    def described(self) -> dict[str, Any]:
        """As transformers gives it to callers."""
        return {"start": self.start, "end": self.end, "tokens": torch.tensor(self.tokens, dtype=torch.long)}


def cut(tokens: Sequence[int], *, first_time: int, offset: int, frames: int) -> tuple[list[Segment], int]:
    """(the segments of a window, the frames after which the next window begins).

    `tokens` without the end token; ids from `first_time` on are times. The window begins at frame `offset` and holds
    `frames`. Two times in a row end a segment. What follows the last pair was cut off by the window's end: it is thrown
    away, and the next window begins there, unless a single time at the end says that nothing follows it.
    """

    def seconds(time: int) -> float:
        return (offset / FRAMES + time) * SECONDS

    is_time = [token >= first_time for token in tokens]
    ends = [place + 1 for place in range(len(tokens) - 1) if is_time[place] and is_time[place + 1]]
    if not ends:
        times = [token - first_time for token in tokens if token >= first_time]
        last = times[-1] if times and times[-1] > 0 else frames // FRAMES
        return [Segment(seconds(0), seconds(last), tuple(tokens))], frames
    is_whole = is_time[-2:] == [False, True]
    ends = [*ends, len(tokens)] if is_whole else [*ends[:-1], ends[-1] + 1]
    segments = []
    for begin, end in zip([0, *ends], ends, strict=False):
        part = tuple(tokens[begin:end])
        # The last one keeps the second time of its pair, which begins what is thrown away.
        last = part[-1 if is_whole or end != ends[-1] else -2] - first_time
        segments.append(Segment(seconds(part[0] - first_time), seconds(last), part))
    if is_whole:
        return segments, frames
    read = (tokens[ends[-1] - 2] - first_time) * FRAMES
    return segments, read if read > 0 else frames  # at 0 the same window would be read for ever
