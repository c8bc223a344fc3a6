"""Tux Paint's stamps: pictures with captions in many languages, read aloud in some of them."""

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from jaxtyping import Float

from unimodal.tasks.corpora import Archive, Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, write_store
from unimodal.tasks.corpora.registries.debian import Debian
from unimodal.tasks.corpora.splits import connected_groups

LONGEST_SIDE = 256  # pixels: as large as any prenet here looks at
LONGEST_CLIP = 15.0  # seconds: longer ones are songs and noises, not a caption read aloud
# Languages whose captions make a group: those of the spoken captions, and German for translation.
_GROUPING_LANGUAGES = ("en", "fr", "es", "de", "ru", "ca", "ro", "bg", "be", "el", "da")


@final
@dataclass(frozen=True, eq=False)
class Stamp:
    """One stamp: `animals/birds/penguin`, its picture, and what it says in each language (`en`, `fr`, `pt_BR` ...)."""

    key: str
    categories: tuple[str, ...]
    captions: Mapping[str, str]
    speech: Mapping[str, Recording]
    image_path: Path
    group: str

    def image(self) -> Float[np.ndarray, "height width 3"]:
        """The picture on white, red-green-blue in [0, 1], its longer side at most 256 pixels."""
        from PIL import Image

        with Image.open(self.image_path) as picture:
            return np.asarray(picture.convert("RGB"), dtype=np.float32) / 255


@final
class TuxPaint(Corpus[Stamp]):
    """Photographs and drawings with captions; `speech` holds the caption of its language read aloud.

    Stamps that share a caption in any spoken language are one group, so no test sentence was heard or read in training.
    The package does not say who speaks, so speakers cannot be kept apart. Two stamps have no picture and are left out.
    """

    name = "tuxpaint"
    licence = "GPL-2"
    archives = (
        Archive(
            Debian(),
            "tuxpaint-stamps-default",
            "2022.06.04-1",
            sha256="6db6c1bfc870a47f1499d6203b083522eacb57c5f9c87d468f2e92eb6d9d5f34",
            size=160_880_444,
        ),
    )

    def __init__(self, spoken: Sequence[str] = ("da", "el", "en", "es", "fr", "ru")) -> None:
        """`spoken`: languages whose spoken captions are kept; all eleven are 2.9 hours and take a minute to decode."""
        self.spoken = tuple(spoken)

    @property
    def title(self) -> str:
        return "stamps with captions"

    @property
    def edition(self) -> str:
        return f"2 {' '.join(sorted(self.spoken))}"

    def wants(self, member: str) -> bool:
        clips = tuple("_desc.ogg" if language == "en" else f"_desc_{language}.ogg" for language in self.spoken)
        return "/stamps/" in member and member.endswith((".txt", ".png", ".svg", *clips))

    def prepare(self, unpacked: Path, folder: Path) -> None:
        root = unpacked / "usr/share/tuxpaint/stamps"
        captions = {text: _captions(text) for text in sorted(root.rglob("*.txt"))}
        captions = {text: found for text, found in captions.items() if "en" in found and _picture(text) is not None}
        clips = [(text, language, path) for text in captions for language, path in sorted(_clips(text).items())]
        clips = [(text, language, path) for text, language, path in clips if language in captions[text]]
        places = write_store((path for _, _, path in clips), folder)
        speech: dict[Path, dict[str, tuple[int, int]]] = {text: {} for text in captions}
        for (text, language, _), place in zip(clips, places, strict=True):
            speech[text][language] = place
        write_lines(
            folder / "stamps.jsonl",
            (
                {
                    "key": text.relative_to(root).with_suffix("").as_posix(),
                    "captions": captions[text],
                    "speech": speech[text],
                    "image": _write_picture(text, folder / "images" / f"{number:04}.png")
                    .relative_to(folder)
                    .as_posix(),
                }
                for number, text in enumerate(captions)
            ),
        )

    def records(self, folder: Path) -> Iterator[Stamp]:
        rows = list(read_lines(folder / "stamps.jsonl"))
        groups = connected_groups({row["key"]: list(_labels(row["captions"])) for row in rows})
        for row in rows:
            clips = {
                language: Recording(folder / STORE_NAME, start, num_samples)
                for language, (start, num_samples) in row["speech"].items()
            }
            yield Stamp(
                key=row["key"],
                categories=tuple(row["key"].split("/")[:-1]),
                captions=row["captions"],
                speech={name: clip for name, clip in clips.items() if 0.2 <= clip.seconds <= LONGEST_CLIP},
                image_path=folder / row["image"],
                group=groups[row["key"]],
            )

    def group(self, example: Stamp) -> str:
        return example.group

    def texts(self, example: Stamp) -> Iterator[str]:
        yield from (caption for language, caption in example.captions.items() if language in ("en", "fr", "de"))


def _captions(text: Path) -> dict[str, str]:
    """The first line is English; `fr.utf8=...` the others."""
    lines = text.read_text(encoding="utf-8", errors="replace").splitlines()
    captions = {"en": lines[0].strip()} if lines and lines[0].strip() else {}
    for line in lines[1:]:
        language, mark, caption = line.partition(".utf8=")
        if mark and caption.strip():
            captions[language] = caption.strip()
    return captions


def _clips(text: Path) -> dict[str, Path]:
    """`NAME_desc.ogg` is English, `NAME_desc_fr.ogg` French."""
    clips = {path.stem.removeprefix(f"{text.stem}_desc_"): path for path in text.parent.glob(f"{text.stem}_desc_*.ogg")}
    english = text.with_name(f"{text.stem}_desc.ogg")
    return clips | ({"en": english} if english.is_file() else {})


def _labels(captions: Mapping[str, str]) -> Iterator[str]:
    for language in _GROUPING_LANGUAGES:
        if language in captions:
            words = re.sub(r"\W+", " ", captions[language].lower()).strip()
            yield f"{language}:{words or captions[language]}"


def _picture(text: Path) -> Path | None:
    return next((path for path in (text.with_suffix(".png"), text.with_suffix(".svg")) if path.is_file()), None)


def _write_picture(text: Path, target: Path) -> Path:
    from PIL import Image

    path = _picture(text)
    assert path is not None
    with Image.open(io.BytesIO(_render(path)) if path.suffix == ".svg" else path) as source:
        picture = source.convert("RGBA")
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    white = Image.new("RGBA", picture.size, "white")
    target.parent.mkdir(exist_ok=True)
    Image.alpha_composite(white, picture).convert("RGB").save(target, compress_level=1)
    return target


def _render(path: Path) -> bytes:
    import resvg_py

    # Without a resolution, drawings measured in points have no size.
    return bytes(resvg_py.svg_to_bytes(svg_path=str(path), width=LONGEST_SIDE, dpi=96))
