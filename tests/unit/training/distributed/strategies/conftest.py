"""Runs of `unimodal fit` on several processes, forked from the tests so that nothing is imported again."""

import json
import os
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import torch
import yaml
from pandas import DataFrame

from unimodal.model import SMALLEST
from unimodal.spec import load_spec, merge_specs
from unimodal.tasks.corpora.lines import write_lines
from unimodal.tasks.corpora.tables import Tables
from unimodal.training.cli import main
from unimodal.vocabulary import TextPieces

Launcher = Callable[[int, int], Mapping[str, str]]
"""(rank, processes) -> what a launcher tells a process by its environment."""
Run = Callable[..., Path]

MODEL = {
    "spec": {
        "vocabulary": {
            "ranges": [{"text": 512}, {"task": ["code_summary", "table_qa"]}, {"table": ["header", "row", "cell"]}]
        },
        "dim": 16,
        "prenets": {"code": "unimodal.prenets.code.CodePrenet", "table": "unimodal.prenets.table.TablePrenet"},
    },
    "processors": {"code": "unimodal.prenets.code.CodeProcessor", "table": "unimodal.prenets.table.TableProcessor"},
}
TRAINING = {
    "seed_everything": 0,
    "trainer": {"accelerator": "cpu", "max_steps": 50, "val_check_interval": 1000},
    "checkpoint": {"every": 1000},
    "model": {
        "objective": {"class": "unimodal.objectives.cross_entropy.CrossEntropy"},
        # What no example reaches decays under ZeRO, and stays as it is in one process.
        "optimizer": {"class": "unimodal.training.optimizer.AdamW", "learning_rate": 0.01, "weight_decay": 0.0},
        "schedule": {"class": "unimodal.training.schedule.WarmUpCosine", "warmup": 5, "steps": 50},
    },
    "data": {
        "tasks": {"code_summary": None},
        "batching": {
            "bucketing": "unimodal.training.data.bucketings.by_length.ByLength",
            "packer": "unimodal.batching.Padded",
            "entries": 512,
            "longest": 160,
        },
    },
}


def torchrun(rank: int, processes: int) -> dict[str, str]:
    """One machine, as `python -m torch.distributed.run` describes it."""
    return {
        "TORCHELASTIC_RUN_ID": "tests",
        "TORCHELASTIC_USE_AGENT_STORE": "False",
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "GROUP_RANK": "0",
        "GROUP_WORLD_SIZE": "1",
    }


def two_machines(rank: int, processes: int) -> dict[str, str]:
    """A machine for each process, as DeepSpeed's launcher describes those of a hostfile."""
    return {
        "RANK": str(rank),
        "LOCAL_RANK": "0",
        "WORLD_SIZE": str(processes),
        "LOCAL_SIZE": "1",
        "CROSS_RANK": str(rank),
        "CROSS_SIZE": str(processes),
    }


@pytest.fixture(scope="session")
def config(cache: Path, pieces: TextPieces, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A config of the smallest model of code and tables, on real code and on tables of the tests' own."""
    folder = tmp_path_factory.mktemp("strategies")
    pieces.save(folder / "pieces.model")
    model = merge_specs(load_spec(SMALLEST), MODEL)
    (folder / "model.yaml").write_text(yaml.safe_dump(model, sort_keys=False), encoding="utf-8")
    files = {"model": {"source": str(folder / "model.yaml")}}
    files["data"] = {"cache": str(cache), "pieces": str(folder / "pieces.model")}
    (folder / "fit.yaml").write_text(yaml.safe_dump(merge_specs(TRAINING, files)), encoding="utf-8")
    _write_tables(Tables().folder(cache))
    return folder / "fit.yaml"


@pytest.fixture
def alone(config: Path, tmp_path: Path) -> Run:
    """A run in this process; gives its folder."""

    def run(name: str, *arguments: str) -> Path:
        assert main(["fit", *_arguments(config, tmp_path / name, arguments)]) == 0
        return tmp_path / name

    return run


@pytest.fixture
def together(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run on two processes that a launcher is said to have started; gives its folder."""
    monkeypatch.setenv("DS_ACCELERATOR", "cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import deepspeed  # noqa: F401  # once, before the processes part

    def run(name: str, *arguments: str, launcher: Launcher = torchrun, processes: int = 2) -> Path:
        meeting = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port())}
        given = ["fit", *_arguments(config, tmp_path / name, arguments)]
        log = tmp_path / f"{name}.log"
        children = []
        for rank in range(processes):
            child = os.fork()
            if not child:
                _fit({**meeting, **launcher(rank, processes)}, given, log)
            children.append(child)
        statuses = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
        assert statuses == [0] * processes, log.read_text()
        return tmp_path / name

    return run


def _arguments(config: Path, folder: Path, arguments: tuple[str, ...]) -> list[str]:
    return ["--config", str(config), "--trainer.default_root_dir", str(folder), *arguments]


def _fit(variables: Mapping[str, str], arguments: list[str], log: Path) -> None:
    """The whole life of a forked process."""
    status = 1
    try:
        with log.open("a") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.environ.update(variables)
        warnings.resetwarnings()  # other projects' are no errors here
        torch.set_num_threads(1)
        status = main(arguments)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def _write_tables(folder: Path) -> None:
    rows = []
    for number in range(40):
        names = ["plant", f"height {number}", f"weight {number}"]
        columns = [
            ["rose", "oak", "elm", "fern", "moss"],
            [number + 3 * row for row in range(5)],
            [9, 4, 7, 1, number + 20],
        ]
        frame = DataFrame(dict(zip(names, columns, strict=True)))
        cells = folder / "cells" / f"own/{number}.csv"
        cells.parent.mkdir(parents=True, exist_ok=True)
        frame.to_csv(cells, index=False)
        about = {"title": f"table {number}", "description": "", "columns": names, "num_rows": len(frame)}
        rows.append({"key": f"own/{number}", **about})
    write_lines(folder / "tables.jsonl", rows)


def strategy_file(folder: Path, **config: object) -> str:
    """A DeepSpeed JSON."""
    (folder / "deepspeed.json").write_text(json.dumps(config), encoding="utf-8")
    return str(folder / "deepspeed.json")
