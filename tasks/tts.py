"""Text -> speech, frame by frame."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.prenets.speaker_encoder import VOICE_DIM
from unimodal.prenets.spectrogram import VOICE
from unimodal.prenets.waveform import Waveform
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.clips import sound, transcribed
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.columns.spoken import Spoken
from unimodal.tasks.columns.voice import Speaker
from unimodal.tasks.files import read_texts
from unimodal.tasks.metrics.mel_distance import MelDistance
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.order import rank
from unimodal.tasks.speakers import Enrolment, clips_of
from unimodal.tasks.transcripts import spoken_form
from unimodal.tasks.voices import asked_voice, require_encoder, voice_of
from unimodal.writers.frames import Pace

PACE = Pace(1.0, 8.0)
"""Of 40 ms for each letter: in the corpora nine tenths lie between 1.4 and 3.5, digits and single letters above."""
CONTOUR_POINTS = 40
MOST_CLIPS = 150


@final
class SpeechSynthesis(Task):
    """Says a sentence with the voice of the studio speaker; answers are Waveforms, written by the net `frames`.

    An example in pieces of a small vocabulary:

        <tts> x r a y -> [frames: 0.99 s]
    """

    reads = ("text",)
    writes = "frames"
    metric = MelDistance()
    pace = PACE

    def __init__(
        self,
        *,
        cache: Path | None = None,
        name: str = "tts",
        language: str = "en",
        max_seconds: float = 6.0,
    ) -> None:
        self.name, self.language, self.max_seconds = name, language, max_seconds
        self._cache = cache

    @property
    def codec(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        return Schema({"text": Spoken(self.language, sample="please hold")}, Sound(self.max_seconds))

    def examples(self, split: str) -> Sequence[Example]:
        clips = transcribed(self.language, split, self._cache, self.max_seconds)
        clips.sort(key=lambda clip: rank(clip[0].key))

        def example(i: int) -> Example:
            clip, text = clips[i]
            return Example(f"{clip.group}#{clip.key}", {"text": text}, sound(clip.speech))

        return OnDemand(example, length=len(clips))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("characters", example.inputs["text"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return [Example(name, {"text": text}) for name, text in _words(paths, prompt, self.language).items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return mean_speech(train)


@final
class SpeechInVoices(Task):
    """Says a sentence in the voice of a speaker of whom recordings are heard; the net `frames` is told the voice.

    A test sentence is unheard, and some of the speakers who say one are.

    An example in pieces of a small vocabulary:

        <tts_voices> t h e ▁ p a s s w o r d s ▁ y o u ▁ e n t e r e d ▁ a n d ▁ r e ▁ e n t e r e d ▁ d i d ▁ n o t ▁
        m a t c h ▁ p l e a s e ▁ t r y ▁ a g a i n [voice] -> [frames: 4.72 s]
    """

    name = "tts_voices"
    reads = ("text", "voice")
    writes = "frames"
    metric = MelDistance()
    pace = PACE
    options = ("voice",)

    def __init__(
        self,
        *,
        cache: Path | None = None,
        voice: str | None = None,
        voice_dim: int = VOICE_DIM,
        max_seconds: float = 6.0,
        speakers: Sequence[str] | None = None,
    ) -> None:
        """`voice`: the file of whose voice a user's texts are said in; `speakers`: whom examples are of, None: all."""
        self.voice, self.voice_dim, self.max_seconds, self.speakers = voice, voice_dim, max_seconds, speakers
        self._cache = cache

    @property
    def codec(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        inputs = {"text": Spoken("en", sample="please hold"), "voice": Speaker(self.voice_dim)}
        return Schema(inputs, Sound(self.max_seconds))

    def examples(self, split: str) -> Sequence[Example]:
        require_encoder(self._cache)
        clips = clips_of(split, self._cache, self.max_seconds)
        if self.speakers is not None:
            clips = [clip for clip in clips if clip.speaker in self.speakers]
        enrolment = Enrolment(clips)

        def example(i: int) -> Example:
            clip = clips[i]
            inputs = {"text": spoken_form(clip.text, "en"), "voice": enrolment.heard(clip)}
            return Example(f"{clip.group}#{clip.key}", inputs, sound(clip.speech))

        return OnDemand(example, length=len(clips))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("characters", example.inputs["text"]), ("frames", voice_of(example.inputs["voice"], self._cache))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        texts = _words(paths, prompt, "en")
        voice = asked_voice(self.voice, self.voice_dim, self.name)
        return [Example(name, {"text": text, "voice": voice}) for name, text in texts.items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return mean_speech(train)


def _words(paths: Sequence[Path], prompt: str | None, language: str) -> dict[str, str]:
    """What is to be said of each file and the prompt."""
    texts = {name: spoken_form(text, language) for name, text in read_texts(paths, prompt).items()}
    for name, text in texts.items():
        if not text:
            raise ValueError(f"{name}: holds no words to say")
    return texts


def mean_speech(train: Sequence[Example]) -> dict[str, Baseline]:
    """Mean frames for as long as a text of that length takes: one frame all along, or one for each moment."""
    clips = [train[i] for i in range(min(len(train), MOST_CLIPS))]
    letters = np.array([[1.0, _num_letters(clip)] for clip in clips])
    mels = [_mel(clip.answer) for clip in clips]
    slope, *_ = np.linalg.lstsq(letters, np.array([float(mel.shape[0]) for mel in mels]), rcond=None)
    mean = torch.cat(mels).mean(0)
    contour = torch.stack([_stretched(mel, CONTOUR_POINTS) for mel in mels]).mean(0)

    def length(example: Example) -> int:
        return max(1, round(float(slope[0] + slope[1] * _num_letters(example))))

    return {
        "mean frame": lambda example: mean.expand(length(example), -1),
        "mean contour": lambda example: _stretched(contour, length(example)),
    }


def _num_letters(example: Example) -> int:
    return len(str(example.inputs["text"]))


def _mel(answer: object) -> Float[Tensor, "t f"]:
    assert isinstance(answer, Waveform)
    return VOICE(answer.samples)


def _stretched(mel: Float[Tensor, "t f"], length: int) -> Float[Tensor, "length f"]:
    """The same contour over another number of frames."""
    return torch.nn.functional.interpolate(mel.T[None], size=length, mode="linear", align_corners=False)[0].T
