"""Speech -> what was said."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.characters import CharacterCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant, constant
from unimodal.tasks.clips import read_long_sounds, sound, transcribed
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.columns.spoken import Spoken
from unimodal.tasks.corpora import Corpus
from unimodal.tasks.corpora.spoken import SpokenClip
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.errors import CharacterErrorRate
from unimodal.tasks.order import mixed
from unimodal.tasks.transcripts import spoken_form
from unimodal.vocabulary import Vocabulary


@final
class SpeechRecognition(Task):
    """Transcribes telephone prompts of one studio speaker a language; the sentences of the test are unseen.

    Words are written as they are heard: lower case, figures as words, no punctuation.

    An example in pieces of a small vocabulary:

        <asr> [speech: 77 entries] -> y o u r ▁ m e s s a g e ▁ h a s ▁ b e e n ▁ s u c c e s s f u l l y ▁ f o r w a
        r d e d <end>
    """

    reads = ("speech",)
    writes = "text"
    metric = CharacterErrorRate()
    options = ("chunk_length_s",)

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        name: str = "asr",
        language: str = "en",
        max_seconds: float = 8.0,
        speeds: Sequence[float] = (1.0,),
        chunk_length_s: float | None = None,
        more: Corpus[SpokenClip] | None = None,
    ) -> None:
        """`speeds` are those at which the training clips are heard, each one more example (speed perturbation).

        A user's recording that is longer than `chunk_length_s` is heard in windows, cut where it is quiet; by default
        they are as long as the longest clip that is taught. Training hears the clips of `more` as well.
        """
        self.name, self.language, self.max_seconds, self.speeds = name, language, max_seconds, tuple(speeds)
        self.chunk_length_s = max_seconds if chunk_length_s is None else chunk_length_s
        self._vocabulary, self._cache, self._more = vocabulary, cache, more

    @cached_property
    def codec(self) -> CharacterCodec:
        return CharacterCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        answer = Spoken(self.language, sample="your message has been successfully forwarded")
        versions = tuple({"speed": speed} for speed in self.speeds)
        return Schema({"speech": Sound(self.max_seconds)}, answer, versions)

    def examples(self, split: str) -> list[Example]:
        studio = transcribed(self.language, split, self._cache, self.max_seconds)
        return mixed(
            [
                Example(f"{clip.group}#{clip.key}@{speed:g}", {"speech": clip.speech, "speed": speed}, text)
                for clip, text in studio
                for speed in (self.speeds if split == "train" else (1.0,))
            ]
            + (self._others() if split == "train" else [])
        )

    def _others(self) -> list[Example]:
        """What training hears besides."""
        clips = [] if self._more is None else self._more.examples("train", self._cache)
        return [
            Example(f"{clip.group}#{clip.key}", {"speech": clip.speech}, text)
            for clip in clips
            if clip.language == self.language
            and clip.speech.seconds <= self.max_seconds
            and (text := spoken_form(clip.text, clip.language))
        ]

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        speed = example.inputs.get("speed", 1.0)
        assert isinstance(speed, float)
        return [("speech", sound(example.inputs["speech"]).at_speed(speed))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_long_sounds(paths, window=self.chunk_length_s)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"best constant": best_constant(train, self.metric), "nothing": constant("")}
