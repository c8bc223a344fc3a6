"""Asterisk's prompts: studio speech with its text, one speaker a language, the same sentences in English and French."""

import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, write_store
from unimodal.tasks.corpora.registries.debian import Debian
from unimodal.tasks.corpora.splits import connected_groups

VERSION = "1.6.1-1"
SPEAKERS = {"en": "en_US_f_Allison", "fr": "fr_CA_f_June"}


@final
@dataclass(frozen=True)
class Prompt:
    """One clip: prompts of the same key say the same thing in `en` and `fr`."""

    key: str
    language: str
    speaker: str
    text: str
    speech: Recording
    group: str


@final
class Asterisk(Corpus[Prompt]):
    """English and French telephone prompts; join on `key` for speech translation.

    Prompts with the same words in either language are one group. Each language has one speaker, so train and test share
    her: this measures unseen sentences, not unseen voices. Clips without speech (tones, silence), without a transcript,
    and whose transcript writes a spoken word as a symbol (`*`, `#`) are left out.
    """

    name = "asterisk"
    licence = "CC-BY-SA-3.0"
    archives = (
        Archive(
            Debian(),
            "asterisk-core-sounds-en",
            VERSION,
            sha256="973e797d28e37fa6ca3c0a9d6fa717e77cf1268ae916bf09fd3503113cdffa50",
            size=22_844,
        ),
        Archive(
            Debian(),
            "asterisk-core-sounds-en-g722",
            VERSION,
            sha256="38c5261820b406dcb0ecb37675720da2b0864850690690352ca52707eb623806",
            size=10_565_860,
        ),
        Archive(
            Debian(),
            "asterisk-core-sounds-fr",
            VERSION,
            sha256="04c82c78c570c43a7136cbc5e2488d0c470b775468dff9fbce4a131b18cf1056",
            size=23_152,
        ),
        Archive(
            Debian(),
            "asterisk-core-sounds-fr-g722",
            VERSION,
            sha256="7add61d5e42279ecff1bbdf842a5a946ac3644fac9a0fe44384731aa7270c8e0",
            size=10_822_860,
        ),
    )

    @property
    def title(self) -> str:
        return "telephone prompts, English and French"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return member.endswith((".g722", ".txt.gz"))

    def prepare(self, unpacked: Path, folder: Path) -> None:
        clips = [
            (key, language, text, path)
            for language, speaker in SPEAKERS.items()
            for key, text in sorted(_transcripts(unpacked, language).items())
            if (path := unpacked / "usr/share/asterisk/sounds" / speaker / f"{key}.g722").is_file()
        ]
        places = write_store((path for *_, path in clips), folder, container="g722")
        write_lines(
            folder / "prompts.jsonl",
            (
                {"key": key, "language": language, "text": text, "place": place}
                for (key, language, text, _), place in zip(clips, places, strict=True)
            ),
        )

    def records(self, folder: Path) -> Iterator[Prompt]:
        rows = list(read_lines(folder / "prompts.jsonl"))
        labels: dict[str, list[str]] = {}
        for row in rows:
            words = re.sub(r"\W+", " ", row["text"].lower()).strip()
            labels.setdefault(row["key"], []).append(f"{row['language']}:{words}")
        groups = connected_groups(labels)
        for row in rows:
            yield Prompt(
                key=row["key"],
                language=row["language"],
                speaker=SPEAKERS[row["language"]],
                text=row["text"],
                speech=Recording(folder / STORE_NAME, *row["place"]),
                group=groups[row["key"]],
            )

    def group(self, example: Prompt) -> str:
        return example.group

    def texts(self, example: Prompt) -> Iterator[str]:
        yield example.text


def clean_transcript(text: str) -> str | None:
    """What is said, without stage notes, quotes and trailing dots; None where nothing is said or a symbol is.

    `...has joined the conference.` -> `has joined the conference.`; `at [@]` -> `at`; `[sound of monkeys]` -> None.
    """
    spoken = re.sub(r"\[[^\]]*\]|<[^>]*>|\([^)]*\)", " ", text)
    spoken = re.sub(r"\s*(\.\.\.|…)\s*", " ", spoken)
    spoken = re.sub(r"\s+", " ", spoken).strip(' \t"“”«»')
    if re.search(r"[*#@$+=\[\]<>/]", spoken) or not re.search(r"\w", spoken):
        return None
    return spoken.replace("’", "'")


def _transcripts(unpacked: Path, language: str) -> dict[str, str]:
    """Lines `key: text`; a semicolon opens a comment."""
    package = f"asterisk-core-sounds-{language}"
    listing = unpacked / "usr/share/doc" / package / f"core-sounds-{language}.txt.gz"
    transcripts = {}
    with gzip.open(listing, "rt", encoding="utf-8") as lines:
        for line in lines:
            key, colon, text = line.partition(":")
            spoken = clean_transcript(text)
            if colon and not key.startswith(";") and spoken is not None:
                transcripts[key.strip()] = spoken
    return transcripts
