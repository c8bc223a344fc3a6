"""Speech or text -> its language."""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import final

from unimodal.codecs.labels import LabelCodec
from unimodal.tasks import Baseline, Example, Schema, Task
from unimodal.tasks.baselines import majority
from unimodal.tasks.clips import read_sounds, sound
from unimodal.tasks.columns.label import Label
from unimodal.tasks.columns.sound import Sound
from unimodal.tasks.columns.text import Text
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.files import read_texts, refuse_prompt
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.tasks.order import mixed
from unimodal.vocabulary import Vocabulary

SPOKEN = ["da", "el", "en", "es", "fr", "ru"]
WRITTEN = ["ca", "cs", "da", "de", "en", "es", "fi", "fr", "hu", "it", "nl", "pl", "pt", "ro", "sv", "tr"]


@final
class SpokenLanguage(Task):
    """Names the language of a spoken caption, in two letters: one of six, of which English is rare.

    All languages of a stamp are on the same side of a split, so no test caption was heard in any language. The speakers
    are not named, so a voice may be on both sides, and part of what tells a language is who speaks it.

    An example in pieces of a small vocabulary:

        <lid> [speech: 58 entries] -> r u <end>
    """

    name = "lid"
    reads = ("speech",)
    writes = "text"
    metric = ExactMatch()

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        max_seconds: float = 4.0,
        names: Sequence[str] = SPOKEN,
    ) -> None:
        """`names`: the languages; clips of the corpus in any other are left out."""
        self.max_seconds, self.names = max_seconds, list(names)
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> LabelCodec:
        return LabelCodec(self._vocabulary, names=self.names)

    @property
    def schema(self) -> Schema:
        return Schema({"speech": Sound(self.max_seconds)}, Label(self.names))

    def examples(self, split: str) -> list[Example]:
        return mixed(
            Example(f"{stamp.group}#{stamp.key}@{language}", {"speech": clip}, language)
            for stamp in TuxPaint().examples(split, self._cache)
            for language, clip in sorted(stamp.speech.items())
            if language in self.names and clip.seconds <= self.max_seconds
        )

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("speech", sound(example.inputs["speech"]))]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        refuse_prompt(prompt, self.name)
        return read_sounds(paths)

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"majority": majority(train)}


@final
class WrittenLanguage(Task):
    """Names the language of a written caption, in two letters: sixteen languages in Latin script.

    An example in pieces of a small vocabulary:

        <lid_text> D e ▁ le t ter ▁ z . -> nl <end>
    """

    name = "lid_text"
    reads = ("text",)
    writes = "text"
    metric = ExactMatch()

    def __init__(
        self,
        *,
        vocabulary: Vocabulary,
        cache: Path | None = None,
        max_words: int = 16,
        names: Sequence[str] = WRITTEN,
    ) -> None:
        """`names`: the languages; captions of the corpus in any other are left out."""
        self.max_words, self.names = max_words, list(names)
        self._vocabulary, self._cache = vocabulary, cache

    @cached_property
    def codec(self) -> LabelCodec:
        return LabelCodec(self._vocabulary, names=self.names)

    @property
    def schema(self) -> Schema:
        return Schema({"text": Text(sample="De letter z.")}, Label(self.names))

    def examples(self, split: str) -> list[Example]:
        return mixed(
            Example(f"{stamp.group}#{stamp.key}@{language}", {"text": caption}, language)
            for stamp in TuxPaint().examples(split, self._cache)
            for language, caption in sorted(stamp.captions.items())
            if language in self.names and len(caption.split()) <= self.max_words
        )

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("text", example.inputs["text"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        return [Example(name, {"text": text.strip()}) for name, text in read_texts(paths, prompt).items()]

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        return {"majority": majority(train)}
