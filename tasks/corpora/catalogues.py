"""Gettext catalogues: what programs say to their users, in English and in the translators' languages."""

import re
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.registries.debian import Debian
from unimodal.tasks.corpora.splits import split_of

ENGLISH = "en"
LONGEST_SENTENCE = 300  # characters: longer ones are lists and licences


@final
@dataclass(frozen=True)
class SentencePair:
    """A sentence of a program in one language and in another."""

    program: str
    language: str
    """Of the target."""
    source: str
    target: str
    english: str
    """What both say: one of them, or the sentence that both are translations of."""


@final
class Catalogues(Corpus[SentencePair]):
    """Sentence pairs from one language to another, one pair for each English sentence.

    An English sentence is its own group whatever its case and punctuation, and it is on the same side in every
    language. Two English sentences may be one in another language, on two sides: so training and validation leave out
    what the test reads or writes in either language.
    The programs are those whose catalogues hold the most sentences for their download among packages of one
    architecture-independent, rarely updated version.
    """

    name = "catalogues"
    licence = "GPL-2+"
    archives = (
        Archive(
            Debian(),
            "gramps",
            "5.1.5-1",
            sha256="77875e0983e97498e91a14b4fd4033998146a582c7932a993cf268929a9fda6b",
            size=6_748_788,
        ),
        Archive(
            Debian(),
            "gnucash-common",
            "1:4.13-1",
            sha256="8477b415856eb671125ee63ac6a4ee1d23efeca3de6e55e5a14c6ebb32642b31",
            size=5_194_912,
        ),
        Archive(
            Debian(),
            "gnumeric-common",
            "1.12.55-1",
            sha256="b474f0a67a781bdb41374110b54fe679c690f981dac356a9ca6260688df9f6b8",
            size=2_006_988,
        ),
    )

    def __init__(self, language: str, *, source: str = ENGLISH) -> None:
        """Codes as the catalogues' folders spell them: `fr`, `de`, `pt_BR`. Raises ValueError for twice the same."""
        if language == source:
            raise ValueError(f"source: {source} is the language of the translation")
        self.language, self.source = language, source

    @property
    def title(self) -> str:
        source = "English" if self.source == ENGLISH else self.source
        return f"sentences of programs, {source} and {self.language}"

    @property
    def edition(self) -> str:
        return "2"

    def wants(self, member: str) -> bool:
        return member.endswith(".mo")

    def prepare(self, unpacked: Path, folder: Path) -> None:
        # All languages stand side by side; a language is read when it is asked for, which takes a moment.
        (unpacked / "usr/share/locale").rename(folder / "locale")

    def records(self, folder: Path) -> Iterator[SentencePair]:
        if self.source == ENGLISH:
            return without_the_test(_from_english(folder, self.language))
        if self.language == ENGLISH:
            return without_the_test(map(_turned, _from_english(folder, self.source)))
        return without_the_test(_joined(_from_english(folder, self.source), _from_english(folder, self.language)))

    def group(self, example: SentencePair) -> str:
        return words_of(example.english)

    def texts(self, example: SentencePair) -> Iterator[str]:
        yield example.source
        yield example.target


@lru_cache(maxsize=12)
def _from_english(folder: Path, language: str) -> tuple[SentencePair, ...]:
    """All pairs of a language's catalogues; kept, since every direction from or to the language needs them."""
    languages = sorted(path.name for path in (folder / "locale").iterdir())
    if language not in languages:
        raise ValueError(f"language: no catalogues are in {language!r}, only in {', '.join(languages)}")
    found: dict[str, SentencePair] = {}
    for path in sorted((folder / "locale" / language / "LC_MESSAGES").glob("*.mo")):
        for message, translation in read_catalogue(path):
            source, target = clean_message(message), clean_message(translation)
            if source is None or target is None or source == target or words_of(source) in found:
                continue
            found[words_of(source)] = SentencePair(path.stem.partition("-")[0], language, source, target, source)
    return tuple(found.values())


def _joined(first: Iterable[SentencePair], second: Iterable[SentencePair]) -> Iterator[SentencePair]:
    """What two languages say for the same English sentence."""
    known = {words_of(pair.english): pair.target for pair in first}
    for pair in second:
        source = known.get(words_of(pair.english))
        if source is not None and source != pair.target:
            yield replace(pair, source=source)


def _turned(pair: SentencePair) -> SentencePair:
    return replace(pair, language=ENGLISH, source=pair.target, target=pair.source)


def read_catalogue(path: Path) -> Iterator[tuple[str, str]]:
    """Message and translation of a compiled catalogue; the header and messages with plural forms are left out.

    Read here rather than with `gettext`, which keeps its messages private and stops at a malformed plural header.
    """
    data = path.read_bytes()
    order = "<" if data[:4] == b"\xde\x12\x04\x95" else ">"
    count, messages, translations = struct.unpack_from(f"{order}3I", data, 8)
    for number in range(count):
        text, translation = (
            data[start : start + length]
            for length, start in (
                struct.unpack_from(f"{order}2I", data, at + 8 * number) for at in (messages, translations)
            )
        )
        if not text or b"\0" in text:
            continue
        context_free = text.rpartition(b"\x04")[2]
        try:
            yield context_free.decode(), translation.decode()
        except UnicodeDecodeError:  # an old catalogue in another encoding: its pairs are few
            continue


def clean_message(text: str) -> str | None:
    """A message as a sentence: on one line and without the mark of its access key; None if it is not one.

    `_Open file` -> `Open file`; `Quit (_Q)` -> `Quit`; `%s: %d` -> None; `<b>Notes</b>` -> None; `Rate|abbr` -> None.
    """
    text = re.sub(r"\s*\(_\w\)", "", " ".join(text.split()))
    if text.count("_") == 1:
        text = re.sub(r"_(?=\w)", "", text)
    if text.count("&") == 1:
        text = re.sub(r"&(?=\w)", "", text)
    words = re.sub(r"%(\(\w+\))?[-+ #0-9.*$]*[a-zA-Z]|\{\w*\}|\W|\d|_", "", text)
    if len(words) < 2 or len(text) > LONGEST_SENTENCE or re.search(r"[<>|_\\]|https?:", text):
        return None
    return text


def words_of(sentence: str) -> str:
    """A sentence whatever its case and punctuation."""
    return re.sub(r"\W+", " ", sentence.lower()).strip()


def without_the_test(pairs: Iterable[SentencePair]) -> Iterator[SentencePair]:
    """The pairs whose English is not the test's, less those that say in either language what the test says."""
    found = list(pairs)
    held = {words_of(text) for pair in found if _is_tested(pair) for text in (pair.source, pair.target)}
    return (pair for pair in found if _is_tested(pair) or not {words_of(pair.source), words_of(pair.target)} & held)


def _is_tested(pair: SentencePair) -> bool:
    return split_of(words_of(pair.english)) == "test"
