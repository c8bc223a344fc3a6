"""Speech -> the same words in the voice of a vector."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.loading.foreign import Checkpoint
from unimodal.prenets.spectrogram import RATE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks.checkpoints import CheckpointTask, Choice, Question, Result
from unimodal.tasks.checkpoints.sounds import heard, hearing, read_recordings
from unimodal.tasks.checkpoints.spoken_answers import SpokenAnswers
from unimodal.tasks.clips import LONGEST_SOUND


@final
class VoiceConversion(CheckpointTask):
    """Says what a recording says in another voice, which is a vector; half a minute at most.

    Samples -> frames of 80 bands, 16 ms each -> sound at 16 kHz (Ao et al. 2022, arXiv:2110.07205).
    """

    reads = ("speech",)
    writes = "speech"
    architectures = ("ForSpeechToSpeech",)

    def __init__(self, *, checkpoint: Checkpoint, voice: str | None = None, vocoder: str | None = None) -> None:
        """As `SpokenAnswers`."""
        self._answers = SpokenAnswers(checkpoint, voice=voice, vocoder=vocoder)
        self._is_normalised = hearing(checkpoint.folder, {"sampling_rate": RATE}).get("do_normalize", False)

    def read(self, paths: Sequence[Path], prompt: str | None) -> list[Question]:
        return read_recordings(paths, prompt, task="vc", max_seconds=LONGEST_SOUND)

    def answer(self, parts: Sequence[Waveform], decoding: Choice) -> list[Result]:
        if decoding is not None:
            raise ValueError("decoding: is a way to write tokens, and speech is written in frames")
        return [self._answers.say(heard(part.samples, self._is_normalised)[None]) for part in parts]

    def join(self, answers: Sequence[Result]) -> Result:
        (only,) = answers
        return only
