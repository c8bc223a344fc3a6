"""Tar archives of examples in the WebDataset layout, with indices by which any member is read without those before it.

    index.json           {"archives": [{"name", "examples", "bytes", "sha256"}, ...]}
    000000.tar           00000000.json 00000000.speech.wav 00000001.json ...: what one example needs, by its first name
    000000.index.json    [{"json": [offset, bytes], "speech.wav": [offset, bytes]}, ...]

`webdataset` reads the archives as they are. It goes through an archive from its start and unpickles members of some
names; here every member is found by its offset, so that training goes on anywhere at once, and nothing is unpickled.
"""

import hashlib
import io
import json
import os
import tarfile
import urllib.request
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from http.client import HTTPResponse
from pathlib import Path
from typing import IO, Any, final

Members = Mapping[str, bytes]
"""What one example needs, by extension: `json`, `speech.wav` ..."""
INDEX = "index.json"
CHUNK = 1 << 20


@final
@dataclass(frozen=True)
class Archive:
    """One tar file: how many examples it holds, its bytes, and the digest of these."""

    name: str
    examples: int
    bytes: int
    sha256: str

    @property
    def index(self) -> str:
        return f"{self.name.removesuffix('.tar')}.index.json"


def write_archives(folder: Path, examples: Iterable[Members], *, size: int) -> list[Archive]:
    """Writes archives of about `size` bytes; the index comes last, so that a folder that has one is whole."""
    if folder.exists() and any(folder.iterdir()):
        raise ValueError(f"{folder}: is not empty; name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    archives: list[Archive] = []
    pending: list[Members] = []
    held = 0
    for members in examples:
        pending.append(members)
        held += sum(len(content) + 2 * tarfile.BLOCKSIZE for content in members.values())
        if held >= size:
            archives.append(_write_archive(folder, len(archives), pending))
            pending, held = [], 0
    if pending:
        archives.append(_write_archive(folder, len(archives), pending))
    if not archives:
        raise ValueError(f"{folder}: there are no examples to write")
    _write_json(folder / INDEX, {"archives": [vars(archive) for archive in archives]})
    return archives


def _write_archive(folder: Path, number: int, examples: Iterable[Members]) -> Archive:
    path, places = folder / f"{number:06}.tar", []
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for place, members in enumerate(examples):
            found = {}
            for extension, content in members.items():
                header = tarfile.TarInfo(f"{place:08}.{extension}")
                header.size = len(content)
                found[extension] = [archive.offset + tarfile.BLOCKSIZE, len(content)]
                archive.addfile(header, io.BytesIO(content))
            places.append(found)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    written = Archive(path.name, len(places), path.stat().st_size, digest)
    _write_json(folder / written.index, places)
    return written


def _write_json(path: Path, content: object) -> None:
    with path.open("w", encoding="utf-8") as file:
        json.dump(content, file)
        file.flush()
        os.fsync(file.fileno())


@final
class ArchiveFolder:
    """The archives of a folder, or of an address that begins with http, opened one at a time.

    With a `cache` an archive is copied there when it is first read, and the ones that were read longest ago are removed
    so that at most `cache_bytes` lie there: a corpus may be larger than the disk. Digests are compared when an archive
    is opened. Raises ValueError or OSError, in one line that names the archive, where one is missing or was changed.
    """

    def __init__(self, source: str, *, cache: Path | None = None, cache_bytes: int = 50_000_000_000) -> None:
        if source.startswith(("http://", "https://")) and cache is None:
            raise ValueError(f"{source}: archives of an address need a cache to be copied to")
        self.source, self.cache, self.cache_bytes = source.rstrip("/"), cache, cache_bytes
        index = self._json(INDEX)
        try:
            self.archives = [Archive(**archive) for archive in index["archives"]]
        except (KeyError, TypeError) as error:
            raise ValueError(f"{self.source}/{INDEX}: is no index of archives ({error})") from error
        self._number = -1
        self._path = Path()
        self._places: list[dict[str, list[int]]] = []

    def read(self, archive: int, example: int) -> dict[str, bytes]:
        """All members of one example."""
        if archive != self._number or not self._path.is_file():  # another process may have made room
            self._open(archive)
        members = {}
        with self._path.open("rb") as file:
            for extension, (offset, size) in self._places[example].items():
                file.seek(offset)
                members[extension] = file.read(size)
        return members

    def _open(self, number: int) -> None:
        archive = self.archives[number]
        path = Path(self.source, archive.name) if self.cache is None else self._cached(archive)
        if not path.is_file():
            raise FileNotFoundError(f"{path}: is missing, {INDEX} has it")
        _check(str(path), archive, *_measure(path))
        places = self._json(archive.index)
        if len(places) != archive.examples:
            raise ValueError(f"{self.source}/{archive.index}: has {len(places)} examples, not {archive.examples}")
        self._places, self._path, self._number = places, path, number

    def _cached(self, archive: Archive) -> Path:
        assert self.cache is not None
        target = self.cache / f"{archive.sha256}.tar"
        if target.is_file():
            os.utime(target)  # read last
            return target
        self.cache.mkdir(parents=True, exist_ok=True)
        self._make_room(archive.bytes)
        part = target.with_suffix(f".{os.getpid()}.part")
        digest, size = hashlib.sha256(), 0
        try:
            with self._stream(archive.name) as source, part.open("wb") as file:
                while chunk := source.read(CHUNK):
                    digest.update(chunk)
                    size += file.write(chunk)
            _check(f"{self.source}/{archive.name}", archive, size, digest.hexdigest())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
        return target

    def _make_room(self, size: int) -> None:
        assert self.cache is not None
        kept = sorted(self.cache.glob("*.tar"), key=lambda path: path.stat().st_mtime)
        held = sum(path.stat().st_size for path in kept)
        for path in kept:
            if held + size <= self.cache_bytes:
                return
            held -= path.stat().st_size
            path.unlink(missing_ok=True)

    def _stream(self, name: str) -> IO[bytes] | HTTPResponse:
        address = f"{self.source}/{name}"
        if not self.source.startswith(("http://", "https://")):
            if not Path(address).is_file():
                raise FileNotFoundError(f"{address}: no such file")
            return Path(address).open("rb")
        try:
            stream: HTTPResponse = urllib.request.urlopen(address)
        except OSError as error:
            raise OSError(f"{address}: cannot be fetched ({error})") from error
        return stream

    def _json(self, name: str) -> Any:
        with self._stream(name) as file:
            try:
                return json.load(file)
            except ValueError as error:
                raise ValueError(f"{self.source}/{name}: is not JSON ({error})") from error


@lru_cache(maxsize=4096)
def _measure(path: Path) -> tuple[int, str]:
    """Bytes and digest of a file, read once by each process."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return path.stat().st_size, digest


def _check(name: str, archive: Archive, size: int, digest: str) -> None:
    if size != archive.bytes:
        raise ValueError(f"{name}: has {size:,} bytes, {INDEX} says {archive.bytes:,}: it was cut or changed")
    if digest != archive.sha256:
        raise ValueError(f"{name}: was changed, its digest is not that of {INDEX}")
