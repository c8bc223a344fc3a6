"""Made speech: sentences of other corpora, said by programs, so that text and speaker are known."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import ClassVar, final

import numpy as np
from jaxtyping import Int16
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.asterisk import Asterisk
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, decode, write_samples
from unimodal.tasks.corpora.splits import split_of
from unimodal.tasks.corpora.spoken import SpokenClip
from unimodal.tasks.corpora.synthesisers import Synthesiser
from unimodal.tasks.corpora.synthesisers.espeak_ng import EspeakNg
from unimodal.tasks.corpora.synthesisers.flite import Flite
from unimodal.tasks.corpora.synthesisers.piper import Piper
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.transcripts import spoken_form

LANGUAGE = "en"
FEWEST_WORDS, MOST_WORDS = 2, 16
"""Of a sentence that is said."""
UNSEEN = frozenset({"espeak.en-us+m5", "espeak.en-gb-scotland+f3", "espeak.en-us-nyc+m4", "flite.awb"})
"""Speakers who say sentences of the test alone: nobody is trained on their voices."""


@final
@dataclass(frozen=True)
class Sentence:
    """What is said, and the group that it has in the corpus where it is written."""

    key: str
    text: str
    group: str


@final
@dataclass(frozen=True)
class Part:
    """Who says which sentence: a voice of a synthesiser."""

    sentence: Sentence
    synthesiser: Synthesiser
    voice: str

    @property
    def speaker(self) -> str:
        return f"{self.synthesiser.name}.{self.voice}"


@final
class MadeSpeech(Corpus[SpokenClip]):
    """English sentences of the studio prompts and of the stamps' captions, each said by some of about seventeen voices.

    No person speaks: what is learned from it has to be measured on recordings. A sentence is in the split that it has
    in its own corpus. The speakers of `UNSEEN` say sentences of the test alone, as many as the others.
    """

    name = "made-speech"
    licence = "sentences CC-BY-SA-3.0 and GPL-2; voices free to use"
    archives: ClassVar[tuple[Archive, ...]] = ()

    def __init__(
        self,
        synthesisers: Sequence[Synthesiser] | None = None,
        *,
        voices_per_sentence: int = 4,
        seed: int = 0,
        most_sentences: int | None = None,
        cache: Path | None = None,
    ) -> None:
        """`cache`: where the corpora lie whose sentences are said."""
        self.synthesisers = default_synthesisers(cache) if synthesisers is None else tuple(synthesisers)
        self.voices_per_sentence, self.seed, self.most_sentences = voices_per_sentence, seed, most_sentences
        self._cache = cache

    @property
    def title(self) -> str:
        return "made speech of many voices"

    @property
    def edition(self) -> str:
        makers = [f"{maker.name} {maker.edition} {' '.join(maker.voices)}" for maker in self.synthesisers]
        return "; ".join(["1", *makers, f"{self.voices_per_sentence} {self.seed} {self.most_sentences}"])

    def wants(self, member: str) -> bool:
        return False

    def prepare(self, unpacked: Path, folder: Path) -> None:
        parts = list(self.cast(sentences(self._cache)[: self.most_sentences]))
        places = write_samples(_said(parts, unpacked / "said.wav"), folder)
        write_lines(
            folder / "clips.jsonl",
            (
                {
                    "key": f"{part.sentence.key}@{part.speaker}",
                    "text": part.sentence.text,
                    "speaker": part.speaker,
                    "group": part.sentence.group,
                    "place": place,
                }
                for part, place in zip(parts, places, strict=True)
            ),
        )

    def cast(self, said: Sequence[Sentence]) -> Iterator[Part]:
        """Who says what: for each sentence some voices, drawn by its key; for the test some unseen ones besides."""
        everyone = [(maker, voice) for maker in self.synthesisers for voice in maker.voices]
        unseen = [(maker, voice) for maker, voice in everyone if f"{maker.name}.{voice}" in UNSEEN]
        known = [one for one in everyone if one not in unseen]
        for sentence in said:
            chance = Random(f"{self.seed} {sentence.key}")
            drawn = chance.sample(known, min(self.voices_per_sentence, len(known)))
            if split_of(sentence.group) == "test":
                drawn += chance.sample(unseen, min(2, len(unseen)))
            yield from (Part(sentence, maker, voice) for maker, voice in drawn)

    def records(self, folder: Path) -> Iterator[SpokenClip]:
        for row in read_lines(folder / "clips.jsonl"):
            place = row.pop("place")
            yield SpokenClip(**row, speech=Recording(folder / STORE_NAME, *place), language=LANGUAGE, made=True)

    def group(self, example: SpokenClip) -> str:
        return example.group

    def texts(self, example: SpokenClip) -> Iterator[str]:
        yield example.text


def default_synthesisers(cache: Path | None = None) -> tuple[Synthesiser, ...]:
    """All there are, with all their voices."""
    return (EspeakNg(), Flite(), Piper(cache))


def known_speakers() -> tuple[str, ...]:
    """The speakers of `MadeSpeech` who are heard in training, in alphabetical order."""
    everyone = {f"{maker.name}.{voice}" for maker in default_synthesisers() for voice in maker.voices}
    return tuple(sorted(everyone - UNSEEN))


def sentences(cache: Path | None = None) -> list[Sentence]:
    """Different sentences of 2 to 16 words, with the groups of their corpora: first the prompts, then the captions."""
    found: dict[str, Sentence] = {}
    for sentence in _written(cache):
        heard = spoken_form(sentence.text, LANGUAGE)
        if FEWEST_WORDS <= len(heard.split()) <= MOST_WORDS:
            found.setdefault(heard, sentence)
    return list(found.values())


def _written(cache: Path | None) -> Iterator[Sentence]:
    for split in ("train", "validation", "test"):
        for prompt in Asterisk().examples(split, cache):
            if prompt.language == LANGUAGE:
                yield Sentence(f"asterisk/{prompt.key}", prompt.text, prompt.group)
    for split in ("train", "validation", "test"):
        for stamp in TuxPaint().examples(split, cache):
            yield Sentence(f"tuxpaint/{stamp.key}", stamp.captions[LANGUAGE], stamp.group)


def _said(parts: Sequence[Part], file: Path) -> Iterator[Int16[np.ndarray, " time"]]:
    """What is said, part by part, with a bar: some thousand sentences take minutes."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, transient=True) as progress:
        for part in progress.track(parts, description="making speech"):
            part.synthesiser.speak(part.sentence.text, part.voice, file)
            yield decode(file)
