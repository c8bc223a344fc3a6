"""Text -> speech, in the voice of a vector."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import torch
from torch import Tensor

from unimodal.loading.foreign import Checkpoint
from unimodal.prenets.spectrogram import RATE
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.spoken_answers import SpokenAnswers
from unimodal.tasks.checkpoints.writing import TextWriter

_PAUSE = int(0.2 * RATE)
"""Samples between two pieces of a text."""


@final
class SpeechSynthesis(CheckpointTask):
    """Says a text in a voice, which is a vector; long texts are said piece by piece.

    `Hello.` -> frames of 80 bands, 16 ms each -> sound at 16 kHz (Ao et al. 2022, arXiv:2110.07205).
    """

    reads = ("text",)
    writes = "speech"
    architectures = ("ForTextToSpeech",)

    def __init__(self, *, checkpoint: Checkpoint, voice: str | None = None, vocoder: str | None = None) -> None:
        """As `SpokenAnswers`."""
        self._writer = TextWriter(checkpoint=checkpoint)
        self._answers = SpokenAnswers(checkpoint, voice=voice, vocoder=vocoder)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return self._writer.read(paths, prompt)

    def answer(self, parts: Sequence[str], decoding: Choice) -> list[Result]:
        if decoding is not None:
            raise ValueError("decoding: is a way to write tokens, and speech is written in frames")
        return [self._answers.say(torch.tensor([self._writer.ids(part)])) for part in parts]

    def join(self, answers: Sequence[Result]) -> Result:
        sounds: list[Tensor] = []
        for answer in answers:
            assert isinstance(answer.value, Tensor)
            sounds += [answer.value, torch.zeros(_PAUSE)]
        return Result("", torch.cat(sounds[:-1]), None, (), sum(answer.seconds for answer in answers))
