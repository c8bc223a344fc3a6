"""Speech of any length -> what was said, or that in English, heard window by window."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.layout import stack_ragged
from unimodal.loading.foreign import Checkpoint
from unimodal.prenets.spectrogram import HOP, RATE
from unimodal.prenets.waveform import Waveform
from unimodal.prenets.whisper import WindowLogMel
from unimodal.running.passages import Passage, Transcript
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.languages import two_letters
from unimodal.tasks.checkpoints.sounds import hearing, read_recordings
from unimodal.tasks.checkpoints.writing import writing
from unimodal.transcription.tokens import TRANSCRIBE, SpecialTokens

LONGEST = 4 * 3600.0
"""Seconds of a recording."""
_NEEDED = {"hop_length": HOP, "n_fft": 400, "sampling_rate": RATE, "dither": 0.0}


@final
class WindowTranscription(CheckpointTask):
    """Writes what is said in a recording of any length, in its own language or in English; times where asked.

    30 s of sound -> `<|startoftranscript|> <|de|> <|translate|> <|0.00|> Good morning.<|1.20|>` (Radford et al. 2022,
    arXiv:2212.04356). The language is detected where it is not said.
    """

    reads = ("speech",)
    writes = "text"
    architectures = ()

    def __init__(
        self,
        *,
        checkpoint: Checkpoint,
        token: str = TRANSCRIBE,
        source: str | None = None,
        timestamps: bool = False,
    ) -> None:
        """`token` is the checkpoint's for what it is to do. Raises ValueError for what it was not trained for."""
        self._checkpoint, self._timestamps = writing(checkpoint), timestamps
        self._special = SpecialTokens.of(
            vars(checkpoint.model.generation_config), start=checkpoint.model.boundaries.start
        )
        self._options: dict[str, Any] = {**self._asked(token), **self._spoken(source)}
        if timestamps and self._special.no_timestamps is None:
            raise ValueError("--timestamps: the checkpoint knows none (no no_timestamps_token_id)")
        bands = checkpoint.origin["num_mel_bins"]
        hearing(checkpoint.folder, {**_NEEDED, "feature_size": bands})
        self._window = 2 * checkpoint.origin["max_source_positions"]
        self._frames = WindowLogMel(bands, self._window)

    def _asked(self, token: str) -> dict[str, Any]:
        if self._special.tasks:
            self._special.task(token)
            return {"task": token}
        if token != TRANSCRIBE:
            raise ValueError("the checkpoint transcribes only: its generation config has no task_to_id")
        return {}

    def _spoken(self, source: str | None) -> dict[str, Any]:
        if source is None:
            return {}
        if self._special.languages:
            self._special.language(source)
            return {"language": source}
        if two_letters(source) != "en":
            raise ValueError(f"--from {source}: the checkpoint knows English only")
        return {}

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return read_recordings(paths, prompt, task="asr", max_seconds=LONGEST)

    def answer(self, parts: Sequence[Waveform], decoding: Choice) -> list[Result]:
        features = [self._frames(sound.samples) for sound in parts]
        answers: dict[int, Result] = {}
        # Whether a recording is read with times must not depend on what is asked beside it.
        for long in (False, True):
            places = [place for place, frames in enumerate(features) if (len(frames) > self._window) == long]
            if places:
                answers |= zip(places, self._write([features[place] for place in places], decoding), strict=True)
        return [answers[place] for place in range(len(parts))]

    def _write(self, rows: Sequence[Float[Tensor, "_ f"]], decoding: Choice) -> list[Result]:
        began, model = time.perf_counter(), self._checkpoint.model
        mask = stack_ragged([torch.ones(len(row), dtype=torch.long) for row in rows])
        found = model.generate(
            input_features=stack_ragged(rows).transpose(1, 2).to(model.device),
            attention_mask=mask.to(model.device),
            decoding=decoding,
            # What is longer than a window cannot be read without times.
            return_timestamps=True if self._timestamps or mask.shape[1] > self._window else None,
            return_segments=True,
            **self._options,
        )
        seconds = (time.perf_counter() - began) / len(rows)
        return [self._result(segments, seconds) for segments in found["segments"]]

    def _result(self, segments: Sequence[dict[str, Any]], seconds: float) -> Result:
        tokens = [segment["tokens"].tolist() for segment in segments]
        whole = tuple(token for part in tokens for token in part)
        if not self._timestamps:
            return Result("", self._text(whole), None, whole, seconds)
        said = zip(segments, tokens, strict=True)
        passages = (Passage(part["start"], part["end"], self._text(found)) for part, found in said)
        return Result("", Transcript(tuple(passages)), None, whole, seconds)

    def _text(self, tokens: Sequence[int]) -> str:
        words = [token for token in tokens if token < self._special.first_time]
        text: str = self._checkpoint.tokenizer.decode(words, skip_special_tokens=True)
        return text.strip()

    def join(self, answers: Sequence[Result]) -> Result:
        (only,) = answers
        return only
