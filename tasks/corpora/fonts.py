"""Typefaces, as files that programs draw text with."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.registries.debian import Debian

_LEFT_OUT = ("initials", "keyboard", "display")
"""Words in the names of faces that draw ornaments and keys."""


@final
@dataclass(frozen=True)
class Typeface:
    """A face of a family: `Lato`, `Bold Italic`, and the TrueType or OpenType file that draws it."""

    family: str
    style: str
    path: Path

    @property
    def key(self) -> str:
        return f"{self.family} {self.style}"


@final
class Fonts(Corpus[Typeface]):
    """Families with and without serifs, of equal and of unequal widths, one as by hand; all draw Latin letters.

    A family is a group, so that what is read in the test is drawn in faces that training never saw.
    """

    name = "fonts"
    licence = "OFL-1.1, Bitstream Vera, GPL-2 with font exception"
    archives = (
        Archive(
            Debian(),
            "fonts-comic-neue",
            "2.51-4",
            sha256="6f002dc90d62fde01a2b51f333c09dc6c21ffbfc6ca22d05a84cc049b083c826",
            size=360_376,
        ),
        Archive(
            Debian(),
            "fonts-dejavu-core",
            "2.37-6",
            sha256="8892669e51aab4dc56682c8e39d8ddb7d70fad83c369344e1e240bf3ca22bb76",
            size=1_067_728,
        ),
        Archive(
            Debian(),
            "fonts-inconsolata",
            "001.010-6",
            sha256="bb5015c631cd47aa7d9d6e0ecd101f0e1234300f935e7719ea32ed9b640f0ac4",
            size=61_384,
        ),
        Archive(
            Debian(),
            "fonts-lato",
            "2.0-2.1",
            sha256="86f50af146a7df9eca4e69f0262e73e708908435ebfa833df797adfa08843bc5",
            size=2_695_828,
        ),
        Archive(
            Debian(),
            "fonts-liberation",
            "1:1.07.4-11",
            sha256="efd381517f958b01969343634ffcbdd60056be7779af84c6f53a005090430204",
            size=827_812,
        ),
        Archive(
            Debian(),
            "fonts-linuxlibertine",
            "5.3.0-6",
            sha256="5c77471e910189b3e4e2eda2b1c5f549ddcaf4de8f9640b97773643970d29087",
            size=1_652_948,
        ),
    )

    @property
    def title(self) -> str:
        return "typefaces"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return member.lower().endswith((".ttf", ".otf"))

    def prepare(self, unpacked: Path, folder: Path) -> None:
        from PIL import ImageFont

        rows = []
        for path in sorted(path for path in unpacked.rglob("*") if path.suffix.lower() in (".ttf", ".otf")):
            family, style = ImageFont.truetype(path).getname()
            if not family or any(word in f"{family} {style}".lower() for word in _LEFT_OUT):
                continue
            shutil.copyfile(path, folder / path.name)
            rows.append({"family": family, "style": style or "Regular", "file": path.name})
        write_lines(folder / "faces.jsonl", rows)

    def records(self, folder: Path) -> Iterator[Typeface]:
        for row in read_lines(folder / "faces.jsonl"):
            yield Typeface(row["family"], row["style"], folder / row["file"])

    def group(self, example: Typeface) -> str:
        return " ".join(example.family.split()[:2])

    def texts(self, example: Typeface) -> Iterator[str]:
        yield example.family
