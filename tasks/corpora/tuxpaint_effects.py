"""What Tux Paint's stamps sound like: animals, engines, bells."""

from collections.abc import Iterator
from pathlib import Path
from typing import final

from unimodal.tasks.corpora import Corpus
from unimodal.tasks.corpora.lines import read_lines, write_lines
from unimodal.tasks.corpora.noise_clip import EFFECTS, NoiseClip
from unimodal.tasks.corpora.recordings import STORE_NAME, Recording, write_store
from unimodal.tasks.corpora.tuxpaint import TuxPaint


@final
class TuxPaintEffects(Corpus[NoiseClip]):
    """The sounds of stamps, which are no captions read aloud; the label is the stamp: `animals/birds/penguin`.

    Several stamps share a sound: equal recordings are kept once. Stamps that are told apart by a number only (one dog
    and another) are a group.
    """

    name = "tuxpaint-effects"
    licence = "GPL-2"
    archives = TuxPaint.archives

    @property
    def title(self) -> str:
        return "sounds of stamps"

    @property
    def edition(self) -> str:
        return "1"

    def wants(self, member: str) -> bool:
        return "/stamps/" in member and member.endswith((".ogg", ".wav")) and "_desc" not in Path(member).stem

    def prepare(self, unpacked: Path, folder: Path) -> None:
        root = unpacked / "usr/share/tuxpaint/stamps"
        distinct: dict[bytes, Path] = {}
        for path in sorted(path for path in root.rglob("*") if path.is_file()):
            distinct.setdefault(path.read_bytes(), path)
        paths = list(distinct.values())
        places = write_store(paths, folder)
        rows = (
            {"label": path.relative_to(root).with_suffix("").as_posix(), "place": place}
            for path, place in zip(paths, places, strict=True)
        )
        write_lines(folder / "sounds.jsonl", rows)

    def records(self, folder: Path) -> Iterator[NoiseClip]:
        for row in read_lines(folder / "sounds.jsonl"):
            label, sound = row["label"], Recording(folder / STORE_NAME, *row["place"])
            if sound.num_samples:
                yield NoiseClip(f"tuxpaint/{label}", sound, label, EFFECTS, label.rstrip("0123456789-_"))

    def group(self, example: NoiseClip) -> str:
        return example.group

    def texts(self, example: NoiseClip) -> Iterator[str]:
        yield example.label.rpartition("/")[2].replace("_", " ")
