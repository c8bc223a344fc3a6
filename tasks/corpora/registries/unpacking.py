"""Write an archive's members below a folder and nowhere else."""

import shutil
import tarfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

LARGEST_UNPACKED = 2 * 1024**3  # bytes: several times the largest corpus, small enough not to fill a disk


def tar_members(source: tarfile.TarFile) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size in bytes and content of each regular file; links and devices are left out, no corpus needs them."""
    for member in source:
        content = source.extractfile(member) if member.isfile() else None
        if content is not None:
            yield member.name, member.size, content


def zip_members(source: zipfile.ZipFile) -> Iterator[tuple[str, int, IO[bytes]]]:
    """Name, size in bytes and content of each file."""
    for entry in source.infolist():
        if not entry.is_dir():
            with source.open(entry) as content:
                yield entry.filename, entry.file_size, content


def write_members(members: Iterable[tuple[str, int, IO[bytes]]], folder: Path, wanted: Callable[[str], bool]) -> None:
    """Write the wanted members below `folder`; raises ValueError for a name that leads out and for too many bytes."""
    root, total = folder.resolve(), 0
    for name, size, content in members:
        if not wanted(name):
            continue
        target = (root / name).resolve()
        if not target.is_relative_to(root):
            raise ValueError(f"archive member {name!r} leads out of its folder")
        total += size
        if total > LARGEST_UNPACKED:
            raise ValueError(f"archive unpacks to more than {LARGEST_UNPACKED} bytes")
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("wb") as file:
            shutil.copyfileobj(content, file)
