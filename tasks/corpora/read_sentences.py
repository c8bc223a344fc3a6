"""A few recordings of strangers: sentences of a novel read aloud, and hands of cards called out."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, write_store
from unimodal.tasks.corpora.registries.debian import Debian
from unimodal.tasks.corpora.spoken import SpokenClip

SPEAKERS = {"librivox": "librivox.sense_and_sensibility", "cards": "sphinx.cards"}


@final
class ReadSentences(Corpus[SpokenClip]):
    """What a recogniser's package is tested with: five clips of LibriVox, five of a card game, with transcripts.

    Too few to divide: a speaker is a group, and whoever was trained on neither may be tested on `all_clips`.
    """

    name = "read-sentences"
    licence = "BSD-2; LibriVox's recordings are in the public domain"
    archives = (
        Archive(
            Debian(),
            "pocketsphinx-testdata",
            "0.8+5prealpha+1-15",
            sha256="eaeb7a01d54f20b799d1a81ef110ec544b2cb47ea006614078220737a33019f0",
            size=1_822_580,
        ),
    )

    @property
    def title(self) -> str:
        return "sentences read by strangers"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return any(f"/{name}/" in member for name in SPEAKERS) and member.endswith((".wav", "transcription"))

    def prepare(self, unpacked: Path, folder: Path) -> None:
        root = unpacked / "usr/share/pocketsphinx/test/data"
        clips = [
            (name, key, text)
            for name in SPEAKERS
            for listing in sorted((root / name).glob("*transcription"))
            for key, text in read_transcription(listing.read_text(encoding="utf-8"))
        ]
        places = write_store((root / name / f"{key}.wav" for name, key, _ in clips), folder)
        write_lines(
            folder / "clips.jsonl",
            (
                {"name": name, "key": f"{name}/{key}", "text": text, "place": place}
                for (name, key, text), place in zip(clips, places, strict=True)
            ),
        )

    def records(self, folder: Path) -> Iterator[SpokenClip]:
        for row in read_lines(folder / "clips.jsonl"):
            speaker, speech = SPEAKERS[row["name"]], Recording(folder / STORE_NAME, *row["place"])
            yield SpokenClip(row["key"], speech, row["text"], speaker, "en", group=speaker, made=False)

    def group(self, example: SpokenClip) -> str:
        return example.group

    def texts(self, example: SpokenClip) -> Iterator[str]:
        yield example.text

    def all_clips(self, cache: Path | None = None) -> list[SpokenClip]:
        """The clips of both speakers."""
        return list(self.records(self.fetch(cache)))


def read_transcription(text: str) -> list[tuple[str, str]]:
    """(name of the clip, what is said) of each line.

    `<s> ten of clubs </s> (clip-0880)` -> `("clip-0880", "ten of clubs")`.
    """
    found = re.findall(r"^<s>(.*?)</s>\s*\((.+)\)\s*$", text, re.MULTILINE)
    return [(key, " ".join(said.split())) for said, key in found]
