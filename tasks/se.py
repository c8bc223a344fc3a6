"""Noisy speech -> clean speech."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

from unimodal.prenets.speaker_encoder import VOICE_DIM
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.corpora.noises import noises
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.mel_distance import MelDistance
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.speakers import clips_of
from unimodal.tasks.voices import asked_voice, require_encoder, voice_of
from unimodal.tasks.worlds.noisy_speech import NoisySpeech
from unimodal.writers.frames import Pace


@final
class SpeechEnhancement(Task):
    """Says again, without the noise, what is said in noise: music, effects, babble or hiss at -5 to 15 dB.

    The voice that the frames net is told is what the speaker encoder hears in the noisy recording itself (the paper
    does not say whose; arXiv:2110.07205), so that nothing is asked of a user; `--voice` may name a clean recording of
    the speaker. Noises and sentences of the test are unheard.

    An example in pieces of a small vocabulary:

        <se> [speech: 119 entries] [voice] -> [frames: 4.72 s]
    """

    name = "se"
    reads = ("speech",)
    writes = "frames"
    metric = MelDistance()
    options = ("voice",)
    pace = Pace(1.0, 1.0)  # as long as what is heard

    def __init__(
        self,
        *,
        cache: Path | None = None,
        voice: str | None = None,
        max_seconds: float = 6.0,
        num_train: int = 4000,
        num_test: int = 200,
        ratios: tuple[float, float] = (-5.0, 15.0),
    ) -> None:
        """`ratios`: of speech to noise, in dB, from and to."""
        self.voice, self.max_seconds, self.ratios = voice, max_seconds, ratios
        self._sizes = {"train": num_train, "validation": num_test, "test": num_test}
        self._cache = cache

    @property
    def codec(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        return Schema({"speech": Sound(self.max_seconds)}, Sound(self.max_seconds))

    def examples(self, split: str) -> Sequence[Example]:
        require_encoder(self._cache)
        clips = clips_of(split, self._cache, self.max_seconds)
        world = NoisySpeech(clips, noises(split, self._cache), ratios=self.ratios)

        def example(seed: int) -> Example:
            clip, pair = world.clip(seed), world.draw(seed)
            return Example(f"{clip.group}#{clip.key}@{seed}", {"speech": pair.noisy}, pair.clean)

        return OnDemand(example, length=self._sizes[split])

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        heard = sound(example.inputs["speech"])
        return [("speech", heard), ("frames", voice_of(example.inputs.get("voice", heard), self._cache))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        examples = read_sounds(paths)
        if self.voice is None:
            return examples
        voice = asked_voice(self.voice, VOICE_DIM, self.name)
        return [Example(example.key, {**example.inputs, "voice": voice}) for example in examples]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"copy": lambda example: sound(example.inputs["speech"])}
