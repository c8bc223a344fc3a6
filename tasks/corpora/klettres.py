"""KLettres' letters and syllables, said for children who learn to read."""

import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Int16

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, decode, write_samples
from unimodal.tasks.corpora.registries.debian import Debian
from unimodal.tasks.corpora.spoken import SpokenClip


@final
class KLettres(Corpus[SpokenClip]):
    """Single letters and syllables in some twenty languages, a volunteer or two each, in homes and not in a studio.

    The package does not say who reads, so a language counts as a speaker, and as a group: a voice is on one side alone.
    Eighteen Czech clips are Vorbis of a kind that libav does not decode, and are left out.
    """

    name = "klettres"
    licence = "GPL-2+"
    archives = (
        Archive(
            Debian(),
            "klettres-data",
            "4:22.12.3-1",
            sha256="1186d257a19e84230856baea0b0b1ded8be9195080fcdb2588970b5cd937f5a8",
            size=39_529_084,
        ),
    )

    @property
    def title(self) -> str:
        return "letters and syllables"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return "/share/klettres/" in member and member.endswith((".ogg", "sounds.xml"))

    def prepare(self, unpacked: Path, folder: Path) -> None:
        root = unpacked / "usr/share/klettres"
        listed = [clip for listing in sorted(root.glob("*/sounds.xml")) for clip in read_listing(listing)]
        decoded = {file: samples for _, file in listed if (samples := decoded_clip(root / file)) is not None}
        clips = [(text, file) for text, file in listed if file in decoded]
        places = write_samples((decoded[file] for _, file in clips), folder)
        write_lines(
            folder / "clips.jsonl",
            ({"text": text, "file": file, "place": place} for (text, file), place in zip(clips, places, strict=True)),
        )

    def records(self, folder: Path) -> Iterator[SpokenClip]:
        for row in read_lines(folder / "clips.jsonl"):
            language = row["file"].partition("/")[0]
            yield SpokenClip(
                key=f"klettres/{row['file'].removesuffix('.ogg')}",
                speech=Recording(folder / STORE_NAME, *row["place"]),
                text=row["text"],
                speaker=f"klettres.{language}",
                language=language,
                group=f"klettres.{language}",
                made=False,
            )

    def group(self, example: SpokenClip) -> str:
        return example.group

    def texts(self, example: SpokenClip) -> Iterator[str]:
        yield example.text


def read_listing(listing: Path) -> list[tuple[str, str]]:
    """(what is said, file) of each sound that a language's `sounds.xml` names, a file once."""
    found: dict[str, str] = {}
    for sound in ElementTree.parse(listing).iter("sound"):
        found.setdefault(sound.attrib["file"], sound.attrib["name"].strip())
    return [(name, file) for file, name in found.items() if name]


def decoded_clip(path: Path) -> Int16[np.ndarray, " time"] | None:
    """The samples of a clip; None where there is no such file, or none that libav decodes."""
    import av

    try:
        return decode(path)
    except av.FFmpegError:
        return None
