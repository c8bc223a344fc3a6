"""What was said when: answers to the parts of a long recording, put together."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final


@final
@dataclass(frozen=True)
class Passage:
    """What was said from `start` to `end`, in seconds."""

    start: float
    end: float
    text: str

    def __str__(self) -> str:
        return f"[{clock(self.start)} --> {clock(self.end)}] {self.text}"


@final
@dataclass(frozen=True)
class Transcript:
    """What was said when, a line a passage."""

    passages: tuple[Passage, ...]

    def __str__(self) -> str:
        return "\n".join(map(str, self.passages))


def joined_text(passages: Sequence[Passage]) -> str:
    """What was said, without times; passages in which nothing was are passed over."""
    return " ".join(passage.text for passage in passages if passage.text)


def clock(seconds: float) -> str:
    """`75.5` -> `01:15.50`."""
    minutes, rest = divmod(seconds, 60)
    return f"{int(minutes):02}:{rest:05.2f}"
