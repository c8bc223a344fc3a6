"""Speech with its speaker: clips of any corpus in one form, and the pairs that tasks are taught with."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from random import Random
from typing import final

from unimodal.tasks.corpora.asterisk import Asterisk, Prompt
from unimodal.tasks.corpora.recordings import Recording
from unimodal.tasks.transcripts import spoken_form

STUDIO = {"en": "asterisk.allison", "fr": "asterisk.june"}
"""Who reads the studio prompts of a language."""


@final
@dataclass(frozen=True)
class SpokenClip:
    """One sentence said by one speaker. `made` says that a program spoke, not a person."""

    key: str
    speech: Recording
    text: str
    speaker: str
    language: str
    group: str
    made: bool


@final
@dataclass(frozen=True)
class ConversionPair:
    """The same sentence from two speakers: what one says, and how the other says it."""

    source: SpokenClip
    target: SpokenClip

    @property
    def key(self) -> str:
        return f"{self.source.key}>{self.target.key}"

    @property
    def group(self) -> str:
        return self.source.group


@final
@dataclass(frozen=True)
class TranslatedClip:
    """A clip, what is `said` in it in the language `source`, and `text`, the same in the language `target`."""

    key: str
    speech: Recording
    said: str
    text: str
    source: str
    target: str
    group: str


def studio_clips(split: str, *, language: str = "en", cache: Path | None = None) -> list[SpokenClip]:
    """The studio prompts of a language, by one speaker; a split has the sentences that it has for recognition."""
    prompts = [prompt for prompt in Asterisk().examples(split, cache) if prompt.language == language]
    if not prompts:
        raise ValueError(f"language: there are no studio prompts in {language!r}, only in {', '.join(STUDIO)}")
    return [_spoken(prompt) for prompt in prompts]


def translated_clips(
    split: str, *, source: str = "en", target: str = "fr", cache: Path | None = None
) -> list[TranslatedClip]:
    """Studio prompts that another speaker reads in another language: what speech translation is taught with.

    `activated` of English and French: speech of "Activated.", with the text "activé".
    """
    by_language: dict[str, dict[str, Prompt]] = {source: {}, target: {}}
    for prompt in Asterisk().examples(split, cache):
        if prompt.language in by_language:
            by_language[prompt.language][prompt.key] = prompt
    for language, prompts in by_language.items():
        if not prompts or source == target:
            raise ValueError(f"there are no studio prompts from {source!r} to {target!r} (looked for {language!r})")
    return [
        TranslatedClip(key, said.speech, said.text, meant.text, source, target, said.group)
        for key, said in by_language[source].items()
        if (meant := by_language[target].get(key)) is not None
    ]


def conversion_pairs(clips: Iterable[SpokenClip], *, per_sentence: int = 2, seed: int = 0) -> list[ConversionPair]:
    """For each sentence that several speakers say, up to `per_sentence` pairs of clips, drawn from all of them.

    Clips of several corpora may stand together: sentences are the same where the same is heard. The draw depends on the
    sentence and the seed alone.
    """
    versions: dict[str, list[SpokenClip]] = {}
    for clip in clips:
        versions.setdefault(f"{clip.language}:{spoken_form(clip.text, clip.language)}", []).append(clip)
    return [pair for said, found in versions.items() for pair in _drawn(found, per_sentence, f"{seed} {said}")]


def _drawn(versions: Sequence[SpokenClip], number: int, seed: str) -> list[ConversionPair]:
    pairs = [ConversionPair(*two) for two in permutations(versions, 2) if two[0].speaker != two[1].speaker]
    return Random(seed).sample(pairs, min(number, len(pairs)))


def _spoken(prompt: Prompt) -> SpokenClip:
    return SpokenClip(
        key=f"{prompt.key}@{STUDIO[prompt.language]}",
        speech=prompt.speech,
        text=prompt.text,
        speaker=STUDIO[prompt.language],
        language=prompt.language,
        group=prompt.group,
        made=False,
    )
