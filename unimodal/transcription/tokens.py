"""The special tokens of a speech recogniser's vocabulary, and what a transcript begins with."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from unimodal.transcription.languages import language_code
from unimodal.transcription.options import TranscriptionOptions

TRANSCRIBE = "transcribe"


@final
@dataclass(frozen=True, kw_only=True)
class SpecialTokens:
    """Ids from a generation config; what is None or empty, the checkpoint does not have."""

    start: int
    no_timestamps: int | None
    """The ids behind it are times; the one before it says that nobody speaks."""
    previous: int | None
    """Stands before the text of earlier windows."""
    languages: Mapping[str, int]
    """`<|en|>` and so on."""
    tasks: Mapping[str, int]
    """`transcribe` and `translate`."""
    forced: tuple[int | None, ...]
    """What older checkpoints put behind the start, where a None asks for the language to be detected."""

    @classmethod
    def of(cls, fields: Mapping[str, Any], *, start: int) -> "SpecialTokens":
        """Those of a generation config's fields. Raises ValueError that names the field which makes no sense."""
        suppressed = fields.get("suppress_tokens") or []
        previous = fields.get("prev_sot_token_id")
        if previous is None and len(suppressed) >= 2:
            previous = suppressed[-2]  # where older checkpoints have it
        forced = fields.get("forced_decoder_ids") or []
        if [place for place, _ in forced] != list(range(1, len(forced) + 1)):
            raise ValueError(f"forced_decoder_ids: {forced} does not count its places from 1 on")
        return cls(
            start=start,
            no_timestamps=fields.get("no_timestamps_token_id"),
            previous=previous,
            languages=fields.get("lang_to_id") or {},
            tasks=fields.get("task_to_id") or {},
            forced=tuple(token for _, token in forced),
        )

    @property
    def first_time(self) -> int:
        """Ids from here on are times."""
        return sys.maxsize if self.no_timestamps is None else self.no_timestamps + 1

    def language(self, name: str) -> int:
        """The token of a language. Raises ValueError where the checkpoint does not know it."""
        token = f"<|{language_code(name)}|>"
        if token not in self.languages:
            known = ", ".join(sorted(known[2:-2] for known in self.languages)) or "none"
            raise ValueError(f"language: '{name}' is none of those that the checkpoint knows: {known}")
        return self.languages[token]

    def task(self, name: str) -> int:
        """The token of a task. Raises ValueError where the checkpoint does not know it."""
        if name not in self.tasks:
            known = ", ".join(sorted(self.tasks)) or "none"
            raise ValueError(f"task: '{name}' is none of those that the checkpoint knows: {known}")
        return self.tasks[name]


def beginnings(
    tokens: SpecialTokens, options: TranscriptionOptions, rows: int, detect: Callable[[], Sequence[int]]
) -> list[list[int]]:
    """What the decoder reads first, for each row: start, language, task, and whether there are to be times.

    `detect` tells each row's language by its token; it is asked where no language is given and the checkpoint knows
    several.
    """
    forced = tokens.forced if options.language is None and options.task is None else ()
    if options.language is not None:
        languages: Sequence[int | None] = [tokens.language(name) for name in options.languages(rows)]
    elif tokens.languages and (not forced or forced[0] is None):
        languages = detect()
    else:
        languages = [forced[0] if forced else None] * rows
    behind = list(forced[1:])
    if options.task is not None:
        behind = [tokens.task(options.task)]
    elif options.language is not None and tokens.tasks:
        behind = [tokens.task(TRANSCRIBE)]
    found = [[tokens.start, language, *behind] for language in languages]
    plain = [[token for token in row if token is not None and token != tokens.no_timestamps] for row in found]
    if tokens.no_timestamps is None or options.return_timestamps:
        return plain
    return [[*row, tokens.no_timestamps] for row in plain]
