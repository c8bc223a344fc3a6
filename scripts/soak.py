"""Kills training runs at random moments; each goes on to what a run that was never killed becomes: `make soak`.

python scripts/soak.py --kills 200 --sharded 60 --out runs/soak

Real SIGKILLs, in one process and (`--sharded`) in two under DeepSpeed's ZeRO-2, while a run starts, trains, and writes,
commits and removes checkpoints. After each kill every checkpoint that was seen must still be there or have a newer one,
none may be torn, and the run goes on as a user's would: `--ckpt_path last`. A run that comes to its end must have the
weights, the optimiser's state and the losses of the one that was never killed, bit for bit.

A parent that has loaded everything forks the runs, so that a kill costs a second and not the time to load torch.
"""

import argparse
import csv
import gc
import importlib
import json
import logging
import os
import random
import shutil
import signal
import socket
import sys
import time
import traceback
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from unimodal.spec import load_spec, merge_specs
from unimodal.training import cli
from unimodal.training.checkpoints import manifest
from unimodal.training.checkpoints.folders import CheckpointFolders

STEPS, EVERY = 24, 2
TIMED = ("state.json", "mp_rank_00_model_states.pt")
"""Files of a checkpoint that say how long training took."""
POLL = 0.002
WEIGHTS = {"start": 1, "step": 3, "save": 6}
"""How often a kill is aimed at what: a run's start, any moment between two checkpoints, the writing of one."""


@dataclass(frozen=True)
class Kind:
    """A way to run."""

    name: str
    processes: int
    arguments: tuple[str, ...]


ALONE = Kind("alone", 1, ("--trainer.devices", "1"))
SHARDED = Kind("sharded", 2, ("--trainer.devices", "2", "--trainer.strategy", "deepspeed_stage_2"))


@dataclass(frozen=True)
class View:
    """What stands in a run's folder of checkpoints."""

    committed: int
    """The newest step that has one; -1 for none."""
    staged: bool

    @classmethod
    def of(cls, run: Path) -> "View":
        names = [path.name for path in (run / "checkpoints").glob("*")]
        steps = [int(name[5:11]) for name in names if name.startswith("step-")]
        return cls(max(steps, default=-1), any(name.endswith(".staged") for name in names))


class Failure(Exception):
    """The soak has found something."""


class Session:
    """The processes of one run from its start, or from its last checkpoint, to its end or a kill."""

    def __init__(self, kind: Kind, config: Path, run: Path) -> None:
        run.mkdir(parents=True, exist_ok=True)
        given = ["fit", "--config", str(config), "--trainer.default_root_dir", str(run), *kind.arguments]
        if View.of(run).committed >= 0:
            given += ["--ckpt_path", "last"]
        self.log = run / "log.txt"
        self.log.unlink(missing_ok=True)
        port = _free_port()
        self.pids = [self._fork(kind, rank, port, given) for rank in range(kind.processes)]

    def _fork(self, kind: Kind, rank: int, port: int, given: list[str]) -> int:
        if pid := os.fork():
            return pid
        status = 1
        try:
            log = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
            os.dup2(log, 1)
            os.dup2(log, 2)
            if kind.processes > 1:
                os.environ.update(_torchrun(kind.processes, rank, port))
            status = cli.main(given)
            if rank == 0:
                (self.log.parent / "modules.json").write_text(json.dumps(sorted(sys.modules)))
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)

    def ended(self) -> bool:
        """Whether all processes have come to their end. Raises Failure where one of them failed."""
        for pid in list(self.pids):
            found, status = os.waitpid(pid, os.WNOHANG)
            if found:
                self.pids.remove(pid)
                if status:
                    self.kill([])
                    raise Failure(f"a run ended by itself with status {status}: {self.log}")
        return not self.pids

    def kill(self, first: list[int], pause: float = 0.0) -> None:
        """Kills some of the processes, and the others a moment later, as their launcher would."""
        for pid in first:
            os.kill(pid, signal.SIGKILL)
        time.sleep(pause)
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
        self.pids = []


class Soak:
    """Kills runs of one kind, one run after the other, and compares those that come to their end."""

    def __init__(self, kind: Kind, config: Path, options: argparse.Namespace) -> None:
        self.kind, self.config, self.out, self.patience = kind, config, options.out / kind.name, options.patience
        self.chance = random.Random(f"{options.seed} {kind.name}")
        self.moments: Counter[str] = Counter()
        self.kills = self.compared = 0
        self.unfinished = False
        # Seconds to the first checkpoint, between two, and of writing one, as seen so far.
        self.seconds = {"start": 2.0, "step": 0.2, "save": 0.05}
        self.seen = -1

    def reference(self) -> None:
        """The run that is not killed."""
        session = Session(self.kind, self.config, self.out / "whole")
        while not session.ended():
            time.sleep(0.05)

    def step(self, *, armed: bool = True) -> bool:
        """One session, killed or, if it is not `armed` or quick, left to its end; gives whether it was killed."""
        run = self.out / f"run-{self.compared}"
        session = Session(self.kind, self.config, run)
        self.unfinished = True
        if self._wait(session, run, armed):
            self._compare(run)
            shutil.rmtree(run)
            self.seen, self.unfinished = -1, False
            return False
        victims = self.chance.sample(session.pids, self.chance.randint(1, len(session.pids)))
        session.kill(victims, pause=self.chance.uniform(0, 0.03) if len(victims) < self.kind.processes else 0.0)
        self.kills += 1
        self.moments[_moment(run / "checkpoints")] += 1
        self._check(run)
        return True

    def _wait(self, session: Session, run: Path, armed: bool) -> bool:
        """Waits for the moment to kill at; True where the run came to its end before."""
        aim = self.chance.choices(list(WEIGHTS), list(WEIGHTS.values()))[0] if armed else "nothing"
        left = self.chance.randint(1, 3)  # checkpoints to come before, or the one that is aimed at
        view = View.of(run)
        known, stale = view.committed, view.staged  # what a kill has left is removed when the run goes on
        marked = time.monotonic()
        what, began_save = "start", 0.0
        deadline = marked + self.chance.uniform(0, self.seconds["start"]) if aim == "start" else None
        while deadline is None or time.monotonic() < deadline:
            if session.ended():
                return True
            now, view = time.monotonic(), View.of(run)
            stale = stale and view.staged
            if view.committed > known:
                self._learn(what, now - marked)
                if began_save:
                    self._learn("save", now - began_save)
                known, marked, what, began_save, left = view.committed, now, "step", 0.0, left - 1
                if aim == "step" and left == 0:
                    deadline = now + self.chance.uniform(0, self.seconds["step"])
            if view.staged and not stale and not began_save:
                began_save = now
                if aim == "save" and left == 1:
                    deadline = now + self.chance.uniform(0, 1.5 * self.seconds["save"])
            if now - marked > self.patience:
                session.kill([])
                raise Failure(f"a run is stuck: {session.log}")
            time.sleep(POLL)
        self.seen = max(self.seen, View.of(run).committed)
        return False

    def _learn(self, what: str, seconds: float) -> None:
        self.seconds[what] = 0.8 * self.seconds[what] + 0.2 * seconds

    def _check(self, run: Path) -> None:
        latest, problems = CheckpointFolders(run).find_latest()
        if problems:
            raise Failure(f"a checkpoint is torn: {problems[0]}")
        step = -1 if latest is None else manifest.Manifest.read(latest).step
        if step < self.seen:
            raise Failure(f"{run}: a checkpoint is lost: step {self.seen} was there, the newest is {step}")
        self.seen = step

    def _compare(self, run: Path) -> None:
        whole = self.out / "whole"
        for name, value in _outcome(whole).items():
            if _outcome(run)[name] != value:
                raise Failure(f"{run}: {name} differs from the run that was not killed")
        self.compared += 1


def _outcome(run: Path) -> dict[str, Any]:
    """What must be equal: the model, the last checkpoint's files, the losses and learning rates of all steps."""
    latest, _problems = CheckpointFolders(run).find_latest()
    assert latest is not None
    files = manifest.Manifest.read(latest).files
    with (run / "metrics.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    chosen = [name for name in rows[0] if name == "step" or name.startswith(("train/", "learning_rate"))]
    assert len(rows) == STEPS
    return {
        "model": manifest.Entry.of(model) if (model := run / "model.safetensors").exists() else "no model",
        "state": {name: entry for name, entry in files.items() if Path(name).name not in TIMED},
        "losses": [[row[name] for name in chosen] for row in rows],
    }


def _moment(folder: Path) -> str:
    """What a kill has interrupted, from what it left."""
    staged = next(folder.glob(".step-*.staged"), None)
    if staged is not None:
        if (staged / manifest.FILE).exists():
            return "before the rename"
        return "while files are hashed" if any(staged.glob(".part-*")) else "while files are written"
    if any(folder.glob(".*.removed")):
        return "while an old one is removed"
    return "between checkpoints" if any(folder.glob("step-*")) else "before the first checkpoint"


def _torchrun(processes: int, rank: int, port: int) -> dict[str, str]:
    sizes = {"WORLD_SIZE": processes, "LOCAL_WORLD_SIZE": processes, "GROUP_WORLD_SIZE": 1, "GROUP_RANK": 0}
    place = {"RANK": rank, "LOCAL_RANK": rank, "MASTER_PORT": port}
    named = {"TORCHELASTIC_RUN_ID": "soak", "MASTER_ADDR": "127.0.0.1"}
    return {**{name: str(value) for name, value in {**sizes, **place}.items()}, **named}


def _free_port() -> int:
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        return int(opened.getsockname()[1])


def write_config(out: Path) -> Path:
    """The smoke run with dropout, a checkpoint every other step and no validation."""
    side = {"block": {"residual": {"dropout": 0.2}}}
    model = merge_specs(
        load_spec("configs/models/tiny.yaml"), {"spec": {"backbone": {"encoder": side, "decoder": side}}}
    )
    (out / "model.yaml").write_text(yaml.safe_dump(model), encoding="utf-8")
    overlay = {
        "trainer": {"max_steps": STEPS, "limit_val_batches": 0},
        "checkpoint": {"every": EVERY},
        "model": {"source": str(out / "model.yaml")},
        "data": {"pieces": str(out / "pieces.model"), "batching": {"entries": 256}},
    }
    config = merge_specs(load_spec("configs/training/smoke.yaml"), overlay)
    config["data"]["tasks"] = {"code_summary": None}
    (out / "soak.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    return out / "soak.yaml"


def load_modules(file: Path) -> None:
    """Loads what a run has loaded, so that the next ones find it there."""
    for name in json.loads(file.read_text()):
        with suppress(Exception):
            importlib.import_module(name)


def soak(soaked: Soak, kills: int, progress: Progress) -> Soak:
    """Kills so many times, and lets the last run come to its end."""
    bar = progress.add_task(f"kills, {soaked.kind.name}", total=kills)
    soaked.reference()
    load_modules(soaked.out / "whole" / "modules.json")
    gc.freeze()  # what is loaded is shared with the forks, not copied by their collections
    while soaked.kills < kills:
        progress.advance(bar, soaked.step())
        so_far = {"kills": soaked.kills, "moments": soaked.moments, "runs compared": soaked.compared}
        (soaked.out / "so-far.json").write_text(json.dumps(so_far, indent=1) + "\n")
    while soaked.unfinished:
        soaked.step(armed=False)
    return soaked


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--sharded", type=int, default=60, help="of them in runs of two processes under ZeRO-2")
    parser.add_argument("--out", type=Path, default=Path("runs/soak"))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--patience", type=float, default=300.0, help="seconds without a checkpoint until it is stuck")
    options = parser.parse_args()
    shutil.rmtree(options.out, ignore_errors=True)
    options.out.mkdir(parents=True)
    config, console = write_config(options.out), Console(stderr=True, highlight=False)
    os.environ["DS_ACCELERATOR"] = "cpu"
    logging.disable(logging.WARNING)
    importlib.import_module("unimodal.training.checkpoints.deepspeed")  # before the forks
    began = time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, TimeRemainingColumn(), console=console) as progress:
            soaks = [
                soak(Soak(kind, config, options), kills, progress)
                for kind, kills in ((ALONE, options.kills - options.sharded), (SHARDED, options.sharded))
                if kills
            ]
    except Failure as failure:
        console.print(f"soak: {failure}")
        return 1
    result = {
        "kills": {done.kind.name: done.kills for done in soaks},
        "moments": {done.kind.name: dict(done.moments) for done in soaks},
        "runs compared, all bit-equal": {done.kind.name: done.compared for done in soaks},
        "checkpoints lost": 0,
        "seconds": round(time.monotonic() - began, 1),
        "seed": options.seed,
    }
    (options.out / "soak.json").write_text(json.dumps(result, indent=1) + "\n")
    console.print_json(data=result)
    return 0


if __name__ == "__main__":
    sys.exit(main())
