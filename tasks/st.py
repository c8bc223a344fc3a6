"""Speech -> what it means in another language."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.characters import CharacterCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import best_constant, majority
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.columns.spoken import Spoken
from unimodal.tasks.corpora import Corpus
from unimodal.tasks.corpora.recordings import Recording
from unimodal.tasks.corpora.spoken import SpokenClip, translated_clips
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.overlap import ChrF
from unimodal.tasks.order import mixed
from unimodal.tasks.transcripts import spoken_form
from unimodal.vocabulary import Vocabulary


@final
class SpeechTranslation(Task):
    """Writes in another language what a telephone prompt says; sentences of the test are heard in neither language.

    Words are written as they would be spoken: lower case, figures as words, no punctuation.

    An example in pieces of a small vocabulary:

        <st> [speech: 77 entries] -> v o t r e ▁ m e s s a g e ▁ a ▁ <C3> <A9> t <C3> <A9> ▁ a c h e m i n <C3> <A9>
        <end>
    """

    reads = ("speech",)
    writes = "text"
    metric = ChrF()

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        name: str = "st",
        source: str = "en",
        target: str = "fr",
        max_seconds: float = 8.0,
        speeds: Sequence[float] = (1.0,),
        more: Corpus[SpokenClip] | None = None,
    ) -> None:
        """`speeds` are those at which the training clips are heard, each one more example (speed perturbation).

        Training hears the clips of `more` as well, where they say what a prompt says.
        """
        self.name, self.source, self.target = name, source, target
        self.max_seconds, self.speeds = max_seconds, tuple(speeds)
        self._vocabulary, self._cache, self._more = vocabulary, cache, more

    @cached_property
    def codec(self) -> CharacterCodec:
        return CharacterCodec(self._vocabulary)

    @property
    def schema(self) -> Schema:
        answer = Spoken(self.target, sample="votre message a été transmis", wants="what it means in the other language")
        return Schema({"speech": Sound(self.max_seconds)}, answer, tuple({"speed": speed} for speed in self.speeds))

    def examples(self, split: str) -> list[Example]:
        clips = translated_clips(split, source=self.source, target=self.target, cache=self._cache)
        speeds = self.speeds if split == "train" else (1.0,)
        examples = [
            self._example(f"{clip.group}#{clip.key}@{speed:g}", clip.speech, speed, clip.text)
            for clip in clips
            for speed in speeds
        ]
        if split == "train" and self._more is not None:
            meant = {spoken_form(clip.said, self.source): clip for clip in clips}
            examples += [
                self._example(f"{clip.group}#{clip.key}", clip.speech, 1.0, same.text)
                for clip in self._more.examples("train", self._cache)
                if clip.language == self.source and (same := meant.get(spoken_form(clip.text, self.source)))
            ]
        return mixed(example for example in examples if example is not None)

    def _example(self, key: str, speech: Recording, speed: float, meant: str) -> Example | None:
        """None where a clip lasts too long or nothing is meant."""
        answer = spoken_form(meant, self.target)
        if speech.seconds > self.max_seconds or not answer:
            return None
        return Example(key, {"speech": speech, "speed": speed}, answer)

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        speed = example.inputs.get("speed", 1.0)
        assert isinstance(speed, float)
        return [("speech", sound(example.inputs["speech"]).at_speed(speed))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_sounds(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"most frequent": majority(train), "best constant": best_constant(train, self.metric)}
