"""Measurements of a run as files: `metrics.csv`, a row a step, that a resumed run goes on with."""

import csv
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, final

from lightning.pytorch import LightningModule
from lightning.pytorch.loggers.logger import Logger
from lightning.pytorch.utilities import rank_zero_only

FILE = "metrics.csv"


@final
class MetricsFile(Logger):
    """Rows of `step` and whatever was measured at it; a new column makes the file be written again.

    A run that starts at step s keeps the rows before s of the file that it finds, so that a resumed run's file is that
    of a run that never stopped, even if that was killed in the middle of a line.
    """

    def __init__(self, folder: str | Path) -> None:
        super().__init__()
        self._file = Path(folder) / FILE
        self._columns: list[str] = ["step"]
        self._rows: list[dict[str, Any]] = []
        self._written = -1  # rows in the file; -1: nothing of this run yet

    @property
    def name(self) -> str:
        return "metrics"

    @property
    def version(self) -> str:
        return ""

    @property
    def save_dir(self) -> str:
        return str(self._file.parent)

    @rank_zero_only
    def log_hyperparams(self, params: dict[str, Any] | Namespace, *args: Any, **kwargs: Any) -> None:
        """The run's config lies beside the file."""

    @rank_zero_only
    def log_metrics(self, metrics: Mapping[str, float], step: int | None = None) -> None:
        if self._written < 0:
            self._take_over(step or 0)
        columns = [name for name in metrics if name != "epoch"]  # a run is one endless epoch
        if new := [name for name in columns if name not in self._columns]:
            self._columns += new
            self._written = 0
        row = {"step": step, **{name: f"{metrics[name]:.8g}" for name in columns}}
        if self._rows and self._rows[-1]["step"] == step:
            self._rows[-1].update(row)
            self._written = 0 if self._written == len(self._rows) else self._written
        else:
            self._rows.append(row)

    @rank_zero_only
    def save(self) -> None:
        if self._written < 0:
            return
        self._file.parent.mkdir(parents=True, exist_ok=True)
        # Written again, it takes the place of the old file whole, so that a kill loses no row.
        target = self._file if self._written else self._file.with_suffix(".draft")
        with target.open("a" if self._written else "w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, self._columns)
            if not self._written:
                writer.writeheader()
            writer.writerows(self._rows[self._written :])
        if not self._written:
            target.replace(self._file)
        self._written = len(self._rows)

    @rank_zero_only
    def finalize(self, status: str) -> None:
        self.save()

    def _take_over(self, step: int) -> None:
        self._written = 0
        if step and self._file.is_file():
            with self._file.open(newline="", encoding="utf-8") as file:
                reader = csv.DictReader(_whole_lines(file))
                self._columns = list(reader.fieldnames or self._columns)
                rows = [{name: value for name, value in row.items() if value} for row in reader]
            self._rows = [{**row, "step": int(row["step"])} for row in rows if int(row["step"]) < step]


def log_once(module: LightningModule, measured: Mapping[str, float]) -> None:
    """Logs values of the step under way, which later steps may not have: Lightning's `log` would repeat them there."""
    for logger in module.loggers:
        logger.log_metrics(dict(measured), step=module.trainer.global_step)


def _whole_lines(file: Iterable[str]) -> Iterator[str]:
    """Lines that have their end: a kill may leave the last one torn."""
    return (line for line in file if line.endswith("\n"))
