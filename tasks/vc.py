"""Speech -> the same words in another voice."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.prenets.speaker_encoder import VOICE_DIM
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.columns.voice import Speaker
from unimodal.tasks.corpora.spoken import conversion_pairs
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.mel_distance import MelDistance
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.order import rank
from unimodal.tasks.speakers import Enrolment, clips_of
from unimodal.tasks.voices import asked_voice, require_encoder, voice_of
from unimodal.writers.frames import Pace


@final
class VoiceConversion(Task):
    """Says what a recording says in the voice of somebody else, of whom other recordings are heard.

    The frames net is told the voice (`--voice`, a recording or its numbers); what it says comes from the recording.
    Sentences of the test are unheard, and some of its speakers are.

    An example in pieces of a small vocabulary:

        <vc> [speech: 27 entries] [voice] -> [frames: 1.44 s]
    """

    name = "vc"
    reads = ("speech", "voice")
    writes = "frames"
    metric = MelDistance()
    options = ("voice",)
    pace = Pace(0.5, 2.0)  # of pairs in the corpora nine tenths lie between 0.75 and 1.25

    def __init__(
        self,
        *,
        cache: Path | None = None,
        voice: str | None = None,
        voice_dim: int = VOICE_DIM,
        max_seconds: float = 6.0,
        per_sentence: int = 2,
    ) -> None:
        """`voice`: the file of whose voice a user wants; `per_sentence`: pairs of speakers for each sentence."""
        self.voice, self.voice_dim, self.max_seconds, self.per_sentence = voice, voice_dim, max_seconds, per_sentence
        self._cache = cache

    @property
    def codec(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        return Schema({"speech": Sound(self.max_seconds), "voice": Speaker(self.voice_dim)}, Sound(self.max_seconds))

    def examples(self, split: str) -> Sequence[Example]:
        require_encoder(self._cache)
        clips = clips_of(split, self._cache, self.max_seconds)
        pairs = sorted(conversion_pairs(clips, per_sentence=self.per_sentence), key=lambda pair: rank(pair.key))
        enrolment = Enrolment(clips)

        def example(i: int) -> Example:
            pair = pairs[i]
            inputs = {"speech": pair.source.speech, "voice": enrolment.heard(pair.target)}
            return Example(f"{pair.group}#{pair.key}", inputs, sound(pair.target.speech))

        return OnDemand(example, length=len(pairs))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        voice = voice_of(example.inputs["voice"], self._cache)
        return [("speech", sound(example.inputs["speech"])), ("frames", voice)]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        examples = read_sounds(paths)
        voice = asked_voice(self.voice, self.voice_dim, self.name)
        return [Example(example.key, {**example.inputs, "voice": voice}) for example in examples]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"copy": lambda example: sound(example.inputs["speech"])}
