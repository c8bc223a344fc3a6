"""Reads speech of any length window by window, and writes what is said in each.

b rows, f mel bands, t frames, w frames of a window
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.functional import pad

from unimodal.generators import Asked, Generator
from unimodal.layout import stack_ragged
from unimodal.transcription.options import ALL
from unimodal.transcription.quality import COLD, Attempt
from unimodal.transcription.segments import Segment, cut
from unimodal.transcription.tokens import beginnings
from unimodal.transcription.writing import WindowWriter

if TYPE_CHECKING:
    from unimodal.model import UnimodalForConditionalGeneration


@dataclass
class _Row:
    """How far the speech of one row was read, and what was written."""

    features: Float[Tensor, "f t"]
    seek: int = 0
    beginning: list[int] = field(default_factory=list)
    segments: list[Segment] = field(default_factory=list)
    is_conditioned: bool = False
    """Whether the next window is written behind the text of those before it."""

    @property
    def waits(self) -> bool:
        return self.seek < self.features.shape[1]

    def window(self, frames: int) -> Float[Tensor, "f w"]:
        """What is read next, zeros behind the end."""
        left = self.features[:, self.seek : self.seek + frames]
        return pad(left, (0, frames - left.shape[1]))

    def prompt(self, writer: WindowWriter) -> list[int]:
        """What the decoder reads before it writes: earlier text or a caller's, and the beginning."""
        given = [] if writer.options.prompt_ids is None else writer.options.prompt_ids.tolist()
        lead = [] if writer.tokens.previous is None else [writer.tokens.previous]
        earlier = [token for segment in self.segments for token in _once(segment.tokens, writer.tokens.first_time)]
        if given and writer.options.prompt_condition_type == ALL:
            lead = given
        elif given:
            earlier = (given[1:] if given[:1] == lead else given) + earlier
        if not self.is_conditioned or not earlier:
            return given + self.beginning
        return lead + earlier[1 - writer.longest // 2 :] + self.beginning

    def go_on(self, attempt: Attempt | None, writer: WindowWriter) -> None:
        """Keeps what was written for the window, if anybody spoke, and moves it."""
        frames = min(writer.window, self.features.shape[1] - self.seek)
        if attempt is None:
            self.seek += frames
            return
        tokens = attempt.tokens
        said = tokens[:-1] if tokens[-1] in writer.model.boundaries.ends else tokens
        segments, read = cut(said, first_time=writer.tokens.first_time, offset=self.seek, frames=frames)
        self.segments += segments
        self.seek += read
        self.is_conditioned = bool(writer.options.condition_on_prev_tokens) and attempt.temperature < COLD


@final
class Windows(Generator):
    """One window after the other (Radford et al. 2022, arXiv:2212.04356, section 3.8).

    The next window begins where the last whole segment of this one ended. Differs from transformers where a batch
    decides there: a row without earlier text reads nothing before its beginning, whatever stands before those of the
    other rows, and what lies behind its end is not heard where its language is detected. `max_length` does not grow
    from window to window.
    """

    def generate(self, model: "UnimodalForConditionalGeneration", asked: Asked) -> Any:
        """Tokens of all segments, a row each, without the beginning and the end token; see `TranscriptionOptions`."""
        features = _features(asked)
        writer = WindowWriter.of(model, asked, frames=features.shape[2])
        rows = _rows(features, asked.inputs.get("attention_mask"), writer.window)
        with _evaluating(model):
            _transcribe(writer, rows)
        written = [[token for segment in row.segments for token in segment.tokens] for row in rows]
        sequences = stack_ragged(
            [torch.tensor(tokens, dtype=torch.long) for tokens in written], fill=model.boundaries.pad
        )
        sequences = sequences.to(model.device)
        if not writer.options.return_segments:
            return sequences
        return {"sequences": sequences, "segments": [[segment.described() for segment in row.segments] for row in rows]}


def _transcribe(writer: WindowWriter, rows: Sequence[_Row]) -> None:
    """Writes the segments of all rows."""
    memories = writer.read(torch.stack([row.window(writer.window) for row in rows]))
    opening = memories
    begun = beginnings(writer.tokens, writer.options, len(rows), lambda: writer.languages(opening))
    for row, beginning in zip(rows, begun, strict=True):
        row.beginning, row.is_conditioned = beginning, bool(writer.options.condition_on_prev_tokens)
    waiting = rows
    while waiting:
        attempts = writer.write(memories, [row.prompt(writer) for row in waiting])
        for row, attempt in zip(waiting, attempts, strict=True):
            row.go_on(attempt, writer)
        waiting = [row for row in waiting if row.waits]
        if waiting:
            memories = writer.read(torch.stack([row.window(writer.window) for row in waiting]))


def _once(tokens: Sequence[int], first_time: int) -> Sequence[int]:
    """Without the second of two times at the end."""
    return tokens[:-1] if len(tokens) > 2 and tokens[-2] >= first_time else tokens


def _features(asked: Asked) -> Float[Tensor, "b f t"]:
    """The first input by position is as good as the keyword, as in transformers."""
    if asked.decoding is not None:
        raise ValueError("decoding: speech is transcribed as the options of a generation config say")
    if asked.decoder_input_ids is not None:
        raise ValueError("decoder_input_ids: what stands before a transcript is said by language, task and prompt_ids")
    given = {name: value for name, value in asked.inputs.items() if value is not None and name != "attention_mask"}
    if len(given) != 1 or not given.keys() <= {"input_features", "input_ids"}:
        raise ValueError(f"input_features: is what speech is read from; given: {', '.join(given) or 'nothing'}")
    features: Tensor = next(iter(given.values()))
    if features.ndim != 3 or 0 in features.shape:
        found = " x ".join(map(str, features.shape))
        raise ValueError(f"input_features: expected rows x mel bands x frames, not {found}")
    return features


def _rows(features: Float[Tensor, "b f t"], mask: Tensor | None, window: int) -> list[_Row]:
    """Each row's own frames; as in transformers, the mask is read only where it says where a long row ends."""
    rows, _, frames = features.shape
    lengths = [frames] * rows
    if rows > 1 and frames > window:
        if mask is None:
            raise ValueError("attention_mask: several rows that are longer than a window need it")
        lengths = mask.sum(1).tolist()
    for row, length in enumerate(lengths):
        if length < 1:
            raise ValueError(f"attention_mask: row {row} has no frame")
    return [_Row(row[:, :length]) for row, length in zip(features, lengths, strict=True)]


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    was_training = model.training
    model.eval()
    try:
        with torch.inference_mode():
            yield
    finally:
        model.train(was_training)
