"""Speech -> the same speech, frame by frame: what pretraining hides of it has to be made up."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import final

import torch

from unimodal.prenets.spectrogram import VOICE
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.corpora.spoken import SpokenClip
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.mel_distance import MelDistance
from unimodal.tasks.on_demand import OnDemand
from unimodal.tasks.order import rank

MOST_CLIPS = 150


@final
class SpeechReconstruction(Task):
    """Writes the frames of the clip that it reads (SpeechT5's pretraining, Ao et al. 2022, arXiv:2110.07205).

    The answer is the clip itself. What the encoder is not shown of it, an objective hides of its entries
    (`unimodal.objectives.hidden_spans`), so the frames to be written are clean whatever is hidden.

    An example in pieces of a small vocabulary:

        <reconstruct> [speech: 29 entries] -> [frames: 1.15 s]
    """

    name = "reconstruct"
    reads = ("speech",)
    writes = "frames"
    metric = MelDistance()

    def __init__(
        self, *, clips: Sequence[Callable[..., list[SpokenClip]]], cache: Path | None = None, max_seconds: float = 6.0
    ) -> None:
        """`clips` give those of a split; only their sound is used. Longer ones than `max_seconds` are left out."""
        self.clips, self.max_seconds = tuple(clips), max_seconds
        self._cache = cache

    @property
    def codec(self) -> None:
        return None

    @property
    def schema(self) -> Schema:
        return Schema({"speech": Sound(self.max_seconds)}, Sound(self.max_seconds))

    def examples(self, split: str) -> Sequence[Example]:
        found = [clip for source in self.clips for clip in source(split=split, cache=self._cache)]
        found = [clip for clip in found if clip.speech.seconds <= self.max_seconds]
        found.sort(key=lambda clip: rank(f"{clip.speaker} {clip.key}"))

        def example(i: int) -> Example:
            speech = sound(found[i].speech)
            return Example(f"{found[i].group}#{found[i].speaker}:{found[i].key}", {"speech": speech}, speech)

        return OnDemand(example, length=len(found))

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("speech", example.inputs["speech"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_sounds(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        """The mean frame for as long as the clip is; a copy of it would be the answer itself."""
        some = [train[i] for i in range(min(len(train), MOST_CLIPS))]
        mean = torch.cat([VOICE(sound(clip.answer).samples) for clip in some]).mean(0)
        return {"mean frame": lambda example: mean.expand(len(VOICE(sound(example.inputs["speech"]).samples)), -1)}
