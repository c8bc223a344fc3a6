"""What a caller may say of a transcript, under transformers' names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, final

from torch import Tensor

FIRST, ALL = "first-segment", "all-segments"


@final
@dataclass(frozen=True, kw_only=True)
class TranscriptionOptions:
    """What is not given stands in `generation_config.json`, or is None: then it is left out."""

    language: str | Sequence[str] | None = None
    """`de`, `german` or `<|de|>`, or one of them for each row; None: detected, where the checkpoint knows several."""
    task: str | None = None
    """`transcribe` or `translate` (into English)."""
    is_multilingual: bool | None = None
    return_timestamps: bool | None = None
    return_segments: bool | None = None
    """Gives {"sequences", "segments"}, of a row a list of {"start", "end", "tokens"} in seconds."""
    prompt_ids: Tensor | None = None
    """Tokens that the decoder is to think were said before, its token for that among them."""
    prompt_condition_type: str | None = None
    """Whether they stand before the first window only (`first-segment`) or before each (`all-segments`)."""
    condition_on_prev_tokens: bool | None = None
    """Whether the decoder reads the text of earlier windows before it writes the next."""
    temperature: float | Sequence[float] | None = None
    """0 takes the likeliest. Of several, each is tried where the answer at the one before is thrown away."""
    compression_ratio_threshold: float | None = None
    """Answers are thrown away whose tokens can be compressed further than that, for they repeat themselves."""
    logprob_threshold: float | None = None
    """Answers are thrown away whose tokens have a lower mean log-probability."""
    no_speech_threshold: float | None = None
    """Such an answer counts as silence where the token for it is likelier than that."""

    @classmethod
    def take(
        cls, options: Mapping[str, Any], config: Mapping[str, Any]
    ) -> tuple["TranscriptionOptions", dict[str, Any]]:
        """(what `options` and else `config` say of a transcript, the options that are left).

        Raises ValueError that names options which exclude each other.
        """
        names = {field.name for field in fields(cls)}
        given = {name: value for name, value in options.items() if name in names and value is not None}
        kept = {name: config[name] for name in names - _NEVER_KEPT if config.get(name) is not None}
        taken = cls(**{**kept, **given})
        taken._check(given)
        return taken, {name: value for name, value in options.items() if name not in names}

    def _check(self, given: Mapping[str, Any]) -> None:
        if self.is_multilingual is False and ("language" in given or "task" in given):
            raise ValueError(
                "language, task: the checkpoint knows English only; say is_multilingual=True if it does not"
            )
        if self.prompt_condition_type not in (None, FIRST, ALL):
            raise ValueError(f"prompt_condition_type: '{self.prompt_condition_type}' is neither {FIRST} nor {ALL}")
        if self.prompt_condition_type == ALL and not self.condition_on_prev_tokens:
            raise ValueError(f"prompt_condition_type: {ALL} needs condition_on_prev_tokens=True")
        if self.no_speech_threshold is not None and self.logprob_threshold is None:
            raise ValueError("no_speech_threshold: needs a logprob_threshold beside it")

    def with_times(self, reason: str) -> "TranscriptionOptions":
        """Where speech cannot be read without times. Raises ValueError where they were not to be."""
        if self.return_timestamps is False:
            raise ValueError(f"return_timestamps: {reason}, so it must be true")
        return replace(self, return_timestamps=True)

    def languages(self, rows: int) -> list[str]:
        """The language of each row. Raises ValueError where they are not as many."""
        assert self.language is not None, "no language is given"
        named = [self.language] * rows if isinstance(self.language, str) else list(self.language)
        if len(named) != rows:
            raise ValueError(f"language: {len(named)} of them for {rows} rows")
        return named

    @property
    def temperatures(self) -> tuple[float, ...]:
        """Those to try, one after the other."""
        if self.temperature is None:
            return (0.0,)
        return tuple(self.temperature) if isinstance(self.temperature, Sequence) else (self.temperature,)


_NEVER_KEPT = {"prompt_ids", "prompt_condition_type", "return_segments", "temperature"}
"""Options of one call; transformers does not read them from a generation config either."""
