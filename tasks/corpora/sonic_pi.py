"""Sounds of a programming language for music: drums, bells, basses, loops, voices of the wind."""

from collections.abc import Iterator
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.noise_clip import MUSIC, NoiseClip
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, write_store
from unimodal.tasks.corpora.registries.debian import Debian


@final
class SonicPi(Corpus[NoiseClip]):
    """Short pieces of music; the label is the file's name: `drum_bass_hard`, of the family `drum`.

    Each sound is a group of its own.
    """

    name = "sonic-pi"
    licence = "CC0-1.0"
    archives = (
        Archive(
            Debian(),
            "sonic-pi-samples",
            "3.2.2~repack-8",
            sha256="25f2312d2fae005e6ad0f4726b8ed3084e776006a5a132083506e960224ac79d",
            size=21_882_696,
        ),
    )

    @property
    def title(self) -> str:
        return "sounds of a music language"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return member.endswith(".flac")

    def prepare(self, unpacked: Path, folder: Path) -> None:
        paths = sorted(unpacked.rglob("*.flac"))
        places = write_store(paths, folder)
        rows = ({"label": path.stem, "place": place} for path, place in zip(paths, places, strict=True))
        write_lines(folder / "sounds.jsonl", rows)

    def records(self, folder: Path) -> Iterator[NoiseClip]:
        for row in read_lines(folder / "sounds.jsonl"):
            key = f"sonic-pi/{row['label']}"
            yield NoiseClip(key, Recording(folder / STORE_NAME, *row["place"]), row["label"], MUSIC, key)

    def group(self, example: NoiseClip) -> str:
        return example.group

    def texts(self, example: NoiseClip) -> Iterator[str]:
        yield example.label.replace("_", " ")
