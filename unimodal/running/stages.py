"""A long job in named stages: each says how long it took and what came of it, and a job can be taken up again."""

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import final

from rich.console import Console

from unimodal.report.page import Stage, duration

FILE = "stages.json"


@final
class Stages:
    """Runs `total` stages one after the other and remembers in `stages.json` of the folder which are finished.

    With `resume`, a stage is not run again that was finished with the same key and whose products are still there.
    """

    def __init__(self, folder: Path, *, total: int, resume: bool = False, console: Console | None = None) -> None:
        self.folder, self.total = folder, total
        self.console = Console(highlight=False) if console is None else console
        self.done: list[Stage] = []
        self._began = time.monotonic()
        self._file = folder / FILE
        self._known: dict[str, dict[str, object]] = {}
        if resume and self._file.is_file():
            self._known = json.loads(self._file.read_text(encoding="utf-8"))

    @property
    def seconds(self) -> float:
        """Since the job began."""
        return time.monotonic() - self._began

    def run(self, name: str, action: Callable[[], str], *, key: object = None, products: tuple[str, ...] = ()) -> None:
        """Runs a stage unless it is finished; `action` returns one line about what came of it.

        `key` is what the result depends on; a stage without products is always run again.
        """
        self.console.rule(f"[bold]{len(self.done) + 1}/{self.total} {name}", align="left")
        digest = hashlib.sha256(json.dumps(key, sort_keys=True, default=str).encode()).hexdigest()[:16]
        kept = self._known.get(name)
        if kept and products and kept["key"] == digest and all((self.folder / made).exists() for made in products):
            stage = Stage(name, float(str(kept["seconds"])), str(kept["said"]))
            self.console.print(f"{stage.said} (finished before)")
        else:
            began = time.monotonic()
            said = action()
            stage = Stage(name, time.monotonic() - began, said)
            self.console.print(f"{said} ({duration(stage.seconds)})")
            self._known[name] = {"key": digest, "seconds": stage.seconds, "said": said}
            self._file.write_text(json.dumps(self._known, indent=1) + "\n", encoding="utf-8")
        self.done.append(stage)
