"""Keeps times in a transcript in order.

b rows, v vocabulary, r rows that go on
"""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from unimodal.guides import Guide


@dataclass(frozen=True, eq=False)
class Times:
    """What the next token of each row depends on."""

    count: Int[Tensor, " b"]
    """Tokens written."""
    last: Bool[Tensor, " b"]
    """Whether the last token is a time."""
    before: Bool[Tensor, " b"]
    """Whether the one before it is, or does not exist."""
    latest: Int[Tensor, " b"]
    """The latest time; -1 where there is none yet."""


@final
class TimestampGuide(Guide[Times]):
    """Lowers the logits of tokens that Whisper's times do not allow by `strength`, by default to nothing.

    The ids behind `no_timestamps` are times, 20 ms each (Radford et al. 2022, arXiv:2212.04356, and its released code).
    An answer begins with a time, at most `latest_start`. Times stand in pairs, the end of one sentence and the start of
    the next, except before the `end` token; none is earlier than the one before, and a sentence does not end where it
    starts. Where all times together are likelier than any other token, one of them comes.
    """

    def __init__(
        self, *, no_timestamps: int, end: int, latest_start: int | None = None, strength: float = math.inf
    ) -> None:
        if not strength >= 0:
            raise ValueError(f"strength: expected a number from 0, got {strength}")
        self._first, self._end, self._strength = no_timestamps + 1, end, strength
        self._latest_start = math.inf if latest_start is None else self._first + latest_start

    def start(self, rows: int, device: torch.device | None = None) -> Times:
        count = torch.zeros(rows, dtype=torch.long, device=device)
        return Times(count, count > 0, count == 0, count - 1)

    def adjust(self, logits: Float[Tensor, "b v"], state: Times) -> Float[Tensor, "b v"]:
        if self._strength == 0:
            return logits
        lowered = torch.where(self._forbidden(logits.shape[-1], state), logits - self._strength, logits)
        scores = lowered.float().log_softmax(-1)
        text, times = scores[:, : self._first], scores[:, self._first :]
        is_time = times.logsumexp(-1) > text.max(-1).values
        is_text = torch.arange(logits.shape[-1], device=logits.device) < self._first
        return torch.where(is_time[:, None] & is_text, lowered - self._strength, lowered)

    def _forbidden(self, size: int, state: Times) -> Bool[Tensor, "b v"]:
        ids = torch.arange(size, device=state.count.device)
        is_time = ids >= self._first
        single = state.last & ~state.before
        earliest = self._first + state.latest + torch.where(single, 0, 1)
        return (
            (ids == self._first - 1)
            | ((state.last & state.before)[:, None] & is_time)
            | (single[:, None] & (ids < self._end))
            | (is_time & (ids < earliest[:, None]))
            | ((state.count == 0)[:, None] & (~is_time | (ids > self._latest_start)))
        )

    def advance(self, state: Times, tokens: Int[Tensor, " b"]) -> Times:
        is_time = tokens >= self._first
        latest = torch.where(is_time, tokens - self._first, state.latest)
        return Times(state.count + 1, is_time, state.last | (state.count == 0), latest)

    def take(self, state: Times, rows: Int[Tensor, " r"]) -> Times:
        return Times(state.count[rows], state.last[rows], state.before[rows], state.latest[rows])
