"""Training in steps, from a config of `unimodal fit` and a folder: text pieces, a run within a time, an adapter."""

import copy
import csv
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
import yaml

from unimodal.batching import Piece, begin_rows
from unimodal.build import build
from unimodal.catalogue import task_spec
from unimodal.modality import Processor
from unimodal.processor import PIECES_FILE
from unimodal.spec import load_spec, merge_specs
from unimodal.task import Task
from unimodal.training.checkpoints.folders import CheckpointFolders
from unimodal.training.cli import main
from unimodal.training.data.vocabulary import prepare
from unimodal.training.measuring.metrics import FILE as METRICS
from unimodal.training.module import PACKAGE
from unimodal.training.schedule import Schedule
from unimodal.units import Units, fit_units
from unimodal.vocabulary import TokenSpace

RECIPE = "fit.yaml"
ENTRIES_AN_HOUR = 90_000
"""Of 40 ms each."""


def load_config(path: str) -> dict[str, Any]:
    """A config by its file, in the working directory or among those that come with the package."""
    return load_spec(PACKAGE / path if not Path(path).exists() and (PACKAGE / path).is_file() else path)


def learn_pieces(config: Mapping[str, Any], folder: Path) -> str:
    """Learns the text pieces of a run anew, into its folder."""
    ranges = load_config(config["model"]["source"])["spec"]["vocabulary"]
    texts = build(config["data"]["texts"], Callable[..., Iterator[str]], where="data.texts")
    (folder / PIECES_FILE).unlink(missing_ok=True)
    pieces = prepare(folder / PIECES_FILE, build(ranges, TokenSpace, where="vocabulary"), texts).pieces
    return f"{len(pieces):,} text pieces"


def learn_units(config: Mapping[str, Any], *, task: str, hours: float = 1.0) -> str:
    """Learns the units that a run's objective guesses, from speech that a task of the run reads, into their file.

    The objective names them as `unimodal.units.Units`, beside the net whose entries they are of. Raises ValueError
    where it names none, or where the run has no such task.
    """
    guesses = _with_units(config["model"]["objective"])
    if guesses is None:
        raise ValueError("model.objective: guesses no units")
    if task not in config["data"]["tasks"]:
        raise ValueError(f"task: the run has no {task}, only {', '.join(config['data']['tasks'])}")
    net, units = guesses["net"], build(guesses["units"], Units, where="units")
    processor = build(load_config(config["model"]["source"])["processors"][net], Processor, where="processor")
    spec = task_spec(task, config["data"]["tasks"][task])
    reads: Task = build(spec, Task, where=f"data.tasks.{task}", cache=None)
    known, entries = [], 0
    for example in reads.examples("train"):
        arrays = next(processor(raw) for of, raw in reads.prompt(example) if of == net)
        piece = Piece(net, arrays, processor.positions(arrays))
        known.append(units.features(begin_rows([piece], {net: 0}).pieces[net])[0])
        entries += piece.positions
        if entries > hours * ENTRIES_AN_HOUR:
            break
    shares = fit_units(known, units.number, units.file)
    used = float(torch.special.entr(shares).sum().exp())
    return f"{units.number} units of {entries:,} entries, used as evenly as {used:.0f}: {units.file}"


def _with_units(spec: Any) -> Mapping[str, Any] | None:
    """The first part of an objective that has units."""
    if not isinstance(spec, Mapping):
        return None
    return spec if "units" in spec and "net" in spec else next(filter(None, map(_with_units, spec.values())), None)


def fit(
    config: Mapping[str, Any], folder: Path, *, seconds: float | None = None, checkpoint: Path | None = None
) -> str:
    """Runs `unimodal fit` into a folder, for at most some seconds: the learning rate's schedule ends with them."""
    overlay: dict[str, Any] = {"trainer": {"default_root_dir": str(folder)}}
    if seconds is not None:
        whole = max(1, round(seconds))
        overlay["trainer"]["max_time"] = (
            f"{whole // 86400:02}:{whole // 3600 % 24:02}:{whole // 60 % 60:02}:{whole % 60:02}"
        )
        overlay["model"] = {"schedule": {"seconds": float(whole)}}
    folder.mkdir(parents=True, exist_ok=True)
    recipe = folder / RECIPE
    recipe.write_text(yaml.safe_dump(merge_specs(config, overlay), sort_keys=False), encoding="utf-8")
    main(["fit", "--config", str(recipe), *(["--ckpt_path", str(checkpoint)] if checkpoint is not None else [])])
    return _last_step(folder / METRICS)


def of_length(config: dict[str, Any], steps: int) -> dict[str, Any]:
    """The same run in another number of steps, of which the last share goes with falling rates."""
    schedule = config["model"]["schedule"]
    warmup, decay = min(schedule["warmup"], steps // 10), schedule["decay"] * steps // schedule["steps"]
    changed = {"warmup": warmup, "decay": decay, "steps": steps}
    return merge_specs(config, {"trainer": {"max_steps": steps}, "model": {"schedule": changed}})


def unfinished(config: Mapping[str, Any], folder: Path) -> Path | None:
    """The newest good checkpoint that a run of the config can go on from; None where there is none.

    That of a run of the same config, however long it was to take. One that was to take other steps has gone the same
    way as long as both learning rates are the same: up to where the first of them falls (`WarmUpStableDecay`).
    """
    recipe = folder / RECIPE
    if not recipe.is_file():
        return None
    before, asked = load_spec(recipe), merge_specs(config, {"trainer": {"default_root_dir": str(folder)}})
    if _timeless(before) == _timeless(asked):
        latest, _ = CheckpointFolders(folder).find_latest()
    elif _stepless(before) == _stepless(asked):
        latest, _ = CheckpointFolders(folder).find_latest(most_steps=_steps_alike(before, asked))
    else:
        latest = None
    return latest


def adaptation(
    config: Mapping[str, Any], *, model: Path, task: str, overlay: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """The config of an adapter turned to a trained model and one task, which an overlay may change."""
    adapted = dict(config)
    adapted["model"] = {**adapted["model"], "source": str(model)}
    adapted["data"] = {**adapted["data"], "tasks": {task: overlay}}
    return adapted


def _timeless(config: Mapping[str, Any]) -> dict[str, Any]:
    left = copy.deepcopy(dict(config))
    left["trainer"].pop("max_time", None)
    left["model"]["schedule"].pop("seconds", None)
    return left


def _stepless(config: Mapping[str, Any]) -> dict[str, Any]:
    left = _timeless(config)
    left["trainer"].pop("max_steps", None)
    left["model"]["schedule"] = left["model"]["schedule"].get("class")
    return left


def _steps_alike(*configs: Mapping[str, Any]) -> int:
    """How many steps runs take at the same learning rates."""
    schedules: list[Schedule] = [build(one["model"]["schedule"], Schedule, where="model.schedule") for one in configs]
    most = min(one["trainer"]["max_steps"] for one in configs)
    rates = ({schedule.factor(step, 0.0) for schedule in schedules} for step in range(most))
    return next((step for step, found in enumerate(rates) if len(found) > 1), most)


def _last_step(metrics: Path) -> str:
    with metrics.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["train/loss"]]
    *_, last = rows
    return f"{int(last['step']) + 1:,} steps, {float(last['entries_per_second']):,.0f} entries a second"
