"""Debian archives through apt-get and dpkg-deb, as an ordinary user."""

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.registries import CorpusUnavailable, Registry, only_file, require_client, run_client
from unimodal.tasks.corpora.registries.unpacking import tar_members, write_members


@final
class Debian(Registry):
    """Packages of the Debian release this machine follows.

    The machine's own package index is read but never written. Where it does not know the version (a fresh image has
    no index at all), an index is fetched into the workspace, so neither root nor a change of the system is needed.
    """

    @property
    def name(self) -> str:
        return "Debian"

    def download(self, package: str, version: str, folder: Path, workspace: Path) -> Path:
        apt = require_client("apt-get", package)
        require_client("dpkg-deb", package)
        lists, cache = workspace / "lists", workspace / "cache"
        (lists / "partial").mkdir(parents=True, exist_ok=True)
        (cache / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        shared = [apt, "-q", *_options("Debug::NoLocking=1", "APT::Sandbox::User=root", f"Dir::Cache={cache}")]
        shared += _options("Acquire::Retries=2", "Acquire::http::Timeout=20", "Acquire::https::Timeout=20")
        private = [*shared, *_options(f"Dir::State::lists={lists}", "Acquire::Languages=none")]
        pinned = f"{package}={version}"
        if run_client([*shared, "download", pinned], folder) is None:
            return only_file(folder, package)
        if run_client([*private, "download", pinned], folder) is None:
            return only_file(folder, package)
        run_client(
            [*private, "update"], folder
        )  # one dead source of several is no reason to stop: the next line decides
        problem = run_client([*private, "download", pinned], folder)
        if problem is not None:
            raise CorpusUnavailable(f"{package} {version}: Debian did not give it ({problem})")
        return only_file(folder, package)

    def unpack(self, archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
        command = [require_client("dpkg-deb", archive.name), "--fsys-tarfile", str(archive)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            with tarfile.open(fileobj=process.stdout, mode="r|") as source:
                write_members(tar_members(source), folder, wanted)


def _options(*settings: str) -> list[str]:
    return [word for setting in settings for word in ("-o", setting)]
