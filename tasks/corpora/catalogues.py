"""Gettext catalogues: what programs say to their users, in English and in the translators' languages."""

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.registries.debian import Debian

LONGEST_SENTENCE = 300  # characters: longer ones are lists and licences


@final
@dataclass(frozen=True)
class SentencePair:
    """An English sentence of a program and its translation."""

    program: str
    language: str
    source: str
    target: str


@final
class Catalogues(Corpus[SentencePair]):
    """Sentence pairs from English to one language, one pair for each English sentence.

    A sentence is its own group whatever its case and punctuation, and it is on the same side in every language.
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

    def __init__(self, language: str) -> None:
        """`language` is a code as the catalogues' folders spell it: `fr`, `de`, `pt_BR`."""
        self.language = language

    @property
    def title(self) -> str:
        return f"sentences of programs, English and {self.language}"

    @property
    def edition(self) -> str:
        return "2"

    def wants(self, member: str) -> bool:
        return member.endswith(".mo")

    def prepare(self, unpacked: Path, folder: Path) -> None:
        # All languages stand side by side; a language is read when it is asked for, which takes a moment.
        (unpacked / "usr/share/locale").rename(folder / "locale")

    def records(self, folder: Path) -> Iterator[SentencePair]:
        languages = sorted(path.name for path in (folder / "locale").iterdir())
        if self.language not in languages:
            raise ValueError(f"language: no catalogues are in {self.language!r}, only in {', '.join(languages)}")
        seen: set[str] = set()
        for path in sorted((folder / "locale" / self.language / "LC_MESSAGES").glob("*.mo")):
            for message, translation in read_catalogue(path):
                source, target = clean_message(message), clean_message(translation)
                if source is None or target is None or source == target or _words(source) in seen:
                    continue
                seen.add(_words(source))
                yield SentencePair(path.stem.partition("-")[0], self.language, source, target)

    def group(self, example: SentencePair) -> str:
        return _words(example.source)

    def texts(self, example: SentencePair) -> Iterator[str]:
        yield example.source
        yield example.target


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


def _words(sentence: str) -> str:
    return re.sub(r"\W+", " ", sentence.lower()).strip()
