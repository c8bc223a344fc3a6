"""A small real task that needs no download: summaries of functions of a few modules, in a cache of the tests' own."""

import csv
import importlib
import inspect
from collections.abc import Callable
from pathlib import Path

import pytest

from unimodal.tasks.corpora.lines import write_lines
from unimodal.tasks.corpora.python_library import DocumentedFunctions, documented_functions
from unimodal.training.cli import main
from unimodal.vocabulary import TextPieces

# Of all three splits: validation has base64, compileall, glob and reprlib, test has configparser and inspect.
MODULES = (
    *("argparse", "base64", "calendar", "compileall", "configparser", "csv", "fractions", "gettext", "glob"),
    *("heapq", "inspect", "ipaddress", "locale", "mailbox", "optparse", "pathlib", "pickletools", "random"),
    *("reprlib", "shutil", "statistics", "tarfile", "textwrap", "threading", "tokenize", "traceback", "typing"),
    *("uuid", "zipfile"),
)

Fit = Callable[..., Path]


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    target = DocumentedFunctions().folder(folder)
    target.mkdir(parents=True)
    sources = {f"{name}.py": inspect.getsource(importlib.import_module(name)) for name in MODULES}
    found = [function for file, source in sources.items() for function in documented_functions(file, source)]
    write_lines(target / "functions.jsonl", (vars(function) for function in found))
    return folder


@pytest.fixture
def fit(cache: Path, pieces: TextPieces, tmp_path: Path) -> Fit:
    """Trains the tiny model as the command line would; gives the run's folder."""
    tokenizer = tmp_path / "pieces.model"
    pieces.save(tokenizer)

    def run(*arguments: str, command: str = "fit", folder: str = "run") -> Path:
        given = ["--config", "configs/training/smoke.yaml", "--data.cache", str(cache), "--data.pieces", str(tokenizer)]
        given += ["--data.tasks", '{"code_summary": null}', "--trainer.default_root_dir", str(tmp_path / folder)]
        assert main([command, *given, *arguments]) == 0
        return tmp_path / folder

    return run


def rows(folder: Path) -> list[dict[str, str]]:
    """The rows of a run's metrics.csv."""
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))
