"""Speech -> who speaks."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.marks import MarkCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import majority
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.label import Label
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.corpora.made import known_speakers
from unimodal.tasks.files import refuse_prompt
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.order import mixed
from unimodal.tasks.speakers import STUDIO, clips_of
from unimodal.vocabulary import Vocabulary


@final
class SpeakerIdentification(Task):
    """Says who speaks, of speakers that it knows; the sentences of the test are unheard, in whosever voice.

    A name is one token, so an answer takes one step (Ao et al. 2022, arXiv:2110.07205). Nobody else is ever named: of a
    stranger the most alike speaker is said, with a low score.

    An example in pieces of a small vocabulary:

        <sid> [speech: 31 entries] -> <unit 13> <end>
    """

    name = "sid"
    reads = ("speech",)
    writes = "text"
    metric = ExactMatch()

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        max_seconds: float = 6.0,
        names: Sequence[str] | None = None,
    ) -> None:
        """`names`: the speakers, in an order that must not change; None: those of the corpora, a studio voice too."""
        self.max_seconds = max_seconds
        self.names = [STUDIO, *known_speakers()] if names is None else list(names)
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> MarkCodec:
        return MarkCodec(self._vocabulary, names=self.names)

    @property
    def schema(self) -> Schema:
        return Schema({"speech": Sound(self.max_seconds)}, Label(self.names))

    def examples(self, split: str) -> list[Example]:
        return mixed(
            Example(f"{clip.group}#{clip.key}", {"speech": clip.speech}, clip.speaker)
            for clip in clips_of(split, self._cache, self.max_seconds)
            if clip.speaker in self.names
        )

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("speech", sound(example.inputs["speech"]))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_sounds(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"most frequent": majority(train)}
