"""Speech without its text and text without its speech: what is there in plenty, as pretraining reads it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.asterisk import Asterisk
from unimodal.tasks.corpora.catalogues import Catalogues
from unimodal.tasks.corpora.python_library import DocumentedFunctions
from unimodal.tasks.corpora.spoken import SpokenClip
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.transcripts import spoken_form

_PLACEHOLDERS = frozenset("%{}<>|\\")
"""Signs of messages with gaps that a program fills."""
LAST_LATIN = "\u024f"
"""Of the letters that Unicode calls Latin; what stands behind it no Latin text is written with."""


@final
@dataclass(frozen=True)
class Sentence:
    """One text of a corpus; `group` is what a split keeps together."""

    key: str
    text: str
    group: str


def caption_clips(
    split: str, *, languages: Sequence[str] = ("da", "el", "en", "es", "fr", "ru"), cache: Path | None = None
) -> list[SpokenClip]:
    """Tux Paint's spoken captions. The package does not say who speaks: a language counts as a speaker."""
    return [
        SpokenClip(
            key=f"{stamp.key}@{language}",
            speech=clip,
            text=stamp.captions[language],
            speaker=f"tuxpaint.{language}",
            language=language,
            group=stamp.group,
            made=False,
        )
        for stamp in TuxPaint().examples(split, cache)
        for language, clip in sorted(stamp.speech.items())
        if language in languages
    ]


def catalogue_messages(split: str, *, cache: Path | None = None) -> list[Sentence]:
    """What programs say to their users, in English, and say whole: messages with gaps are left out."""
    corpus = Catalogues("fr")
    pairs = [pair for pair in corpus.examples(split, cache) if not _PLACEHOLDERS & set(pair.source)]
    return [Sentence(f"catalogues:{pair.source}", pair.source, corpus.group(pair)) for pair in pairs]


def docstrings(split: str, *, cache: Path | None = None) -> list[Sentence]:
    """The first sentences of what Python's library says of its functions."""
    corpus = DocumentedFunctions()
    functions = enumerate(corpus.examples(split, cache))  # a property's getter and setter have one name
    return [Sentence(f"library:{one.key}.{place}", one.summary, corpus.group(one)) for place, one in functions]


def transcripts(split: str, *, language: str = "en", cache: Path | None = None) -> list[Sentence]:
    """What the studio prompts of a language say, without the clips."""
    prompts = [prompt for prompt in Asterisk().examples(split, cache) if prompt.language == language]
    return [Sentence(f"asterisk:{prompt.key}", prompt.text, prompt.group) for prompt in prompts]


def heard(
    split: str,
    *,
    sources: Sequence[Callable[..., list[Sentence]]],
    language: str = "en",
    shortest: int = 12,
    longest: int = 100,
    cache: Path | None = None,
) -> list[Sentence]:
    """Sentences as they would be heard, of so many characters, each once: `Open _File...` is `open file`.

    What is written with other letters than Latin ones is left out.
    """
    found: dict[str, Sentence] = {}
    for sentence in (sentence for source in sources for sentence in source(split=split, cache=cache)):
        text = spoken_form(sentence.text.replace("_", ""), language)
        if shortest <= len(text) <= longest and all(letter <= LAST_LATIN for letter in text):
            found.setdefault(text, replace(sentence, text=text))
    return list(found.values())
