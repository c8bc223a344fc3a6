"""All corpora together: fetch what can be had, and the texts that a tokenizer is trained on."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from unimodal.tasks.corpora import Corpus, CorpusUnavailable
from unimodal.tasks.corpora.asterisk import Asterisk
from unimodal.tasks.corpora.catalogues import Catalogues
from unimodal.tasks.corpora.fonts import Fonts
from unimodal.tasks.corpora.klettres import KLettres
from unimodal.tasks.corpora.made import MadeSpeech
from unimodal.tasks.corpora.mnist import Mnist
from unimodal.tasks.corpora.python_library import DocumentedFunctions, SourceFiles
from unimodal.tasks.corpora.read_sentences import ReadSentences
from unimodal.tasks.corpora.sonic_pi import SonicPi
from unimodal.tasks.corpora.tables import Tables
from unimodal.tasks.corpora.tuxpaint import TuxPaint
from unimodal.tasks.corpora.tuxpaint_effects import TuxPaintEffects

LONGEST = 2000
"""Characters of a text that text pieces are learned from: of whole files, the beginning is enough."""


def all_corpora() -> list[Corpus[Any]]:
    """The corpora that the demo learns from, and its text pieces; small downloads first."""
    return [
        DocumentedFunctions(),
        SourceFiles(),
        Mnist(),
        Catalogues("fr"),
        Catalogues("de"),
        Asterisk(),
        Tables(),
        TuxPaint(),
    ]


def sound_corpora() -> list[Corpus[Any]]:
    """More sound: what spoken-language tasks are taught and tried with. Making the speech takes minutes."""
    return [ReadSentences(), SonicPi(), TuxPaintEffects(), KLettres(), MadeSpeech()]


def picture_corpora() -> list[Corpus[Any]]:
    """What pictures of documents are drawn with."""
    return [Fonts()]


def fetch_all(corpora: Iterable[Corpus[Any]], cache: Path | None = None) -> tuple[list[Corpus[Any]], list[str]]:
    """Fetch each corpus: those that can be had, and one line for each that cannot."""
    available, missing = [], []
    for corpus in corpora:
        try:
            corpus.fetch(cache)
        except CorpusUnavailable as problem:
            missing.append(f"{corpus.title} are left out: {problem}")
        else:
            available.append(corpus)
    return available, missing


def texts(corpora: Sequence[Corpus[Any]], limit: int, cache: Path | None = None) -> Iterator[str]:
    """Up to `limit` texts of the corpora's training splits, one of each corpus in turn, so that none drowns another."""
    streams = [_training_texts(corpus, cache) for corpus in corpora]
    rounds = itertools.zip_longest(*streams)
    return itertools.islice((text for row in rounds for text in row if text), limit)


def available_texts(*, limit: int, cache: Path | None = None) -> Iterator[str]:
    """As `texts`, of every corpus that can be had here: what text pieces are learned from."""
    available, _ = fetch_all(all_corpora(), cache)
    return texts(available, limit, cache)


def _training_texts(corpus: Corpus[Any], cache: Path | None) -> Iterator[str]:
    for example in corpus.examples("train", cache):
        yield from (text[:LONGEST] for text in corpus.texts(example))


def catalogue_texts(*, languages: Sequence[str], limit: int, cache: Path | None = None) -> Iterator[str]:
    """As `texts`, of the catalogues of some languages: as much of each, and English beside each."""
    return texts([Catalogues(language) for language in languages], limit, cache)
