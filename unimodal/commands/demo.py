"""The demo: fetch, learn text pieces, pretrain, fine-tune, evaluate, report. One folder holds all that comes of it."""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import torch
from rich.table import Table
from transformers.utils import logging

from unimodal.build import build
from unimodal.catalogue import build_task, check_task
from unimodal.commands import Parser
from unimodal.loading.hub import load_own
from unimodal.loading.own import Unimodal
from unimodal.measuring.evaluate import Evaluation
from unimodal.report import page
from unimodal.report.alignments import align, figure
from unimodal.report.charts import loss, read_curves
from unimodal.running.stages import Stages
from unimodal.spec import merge_specs
from unimodal.task import Task, TaskUnavailable
from unimodal.tasks import showing
from unimodal.tasks.corpora.collection import all_corpora, fetch_all
from unimodal.training.recipes import adaptation, fit, learn_pieces, load_config, unfinished

CONFIG = "configs/training/demo.yaml"
ADAPTER = "adapter"
LEAST_SECONDS = 20.0
"""Pretraining for less is no demo."""


@final
@dataclass(frozen=True)
class Settings:
    """What the demo's config says.

    `training` and `adapting` are configs of `unimodal fit`; `pretraining` and `fine_tuning` are laid over them. The
    task `adapted` gets an adapter. `minutes` has `whole`, and what of it is kept for `fine_tuning`, `evaluation` and
    `slack`. `evaluation` is `unimodal.measuring.evaluate.evaluate` with its arguments.
    """

    training: str
    adapting: str
    minutes: dict[str, float]
    adapted: str
    evaluation: Callable[..., Evaluation]
    pretraining: dict[str, Any] = field(default_factory=dict)
    fine_tuning: dict[str, Any] = field(default_factory=dict)


@final
@dataclass
class Found:
    """What the stages found: scores by task, those of the adapted task before and after, what could not be had."""

    tasks: dict[str, Task] = field(default_factory=dict)
    base: dict[str, Evaluation] = field(default_factory=dict)
    change: page.Adaptation | None = None
    missing: list[str] = field(default_factory=list)

    @property
    def evaluations(self) -> list[Evaluation]:
        """Of the base model, and of the adapter on a task that the base was not taught."""
        is_new = self.change is not None and self.change.after.task not in self.base
        return [*self.base.values(), *([self.change.after] if self.change is not None and is_new else [])]

    def rows(self) -> list[dict[str, object]]:
        """What `metrics.json` holds."""
        rows = [evaluation.row() for evaluation in self.base.values()]
        if self.change is not None:
            rows.append({**self.change.after.row(), "adapter": ADAPTER, "base_value": self.change.before.value})
        return rows


@final
class Demo:
    """The stages over one folder."""

    def __init__(self, out: Path, settings: Settings, *, minutes: float | None, seed: int | None, resume: bool) -> None:
        self.out, self.settings, self.resume = out, settings, resume
        self.minutes = settings.minutes if minutes is None else {**settings.minutes, "whole": minutes}
        self.training = merge_specs(load_config(settings.training), settings.pretraining)
        overlay = self.training["data"]["tasks"].get(check_task(settings.adapted))
        adapting = merge_specs(load_config(settings.adapting), settings.fine_tuning)
        self.adapter = adaptation(adapting, model=out, task=settings.adapted, overlay=overlay)
        if seed is not None:
            self.training["seed_everything"] = self.adapter["seed_everything"] = seed
        self.found = Found()
        out.mkdir(parents=True, exist_ok=True)
        self.stages = Stages(out, total=6, resume=resume)

    def run(self) -> None:
        """All stages."""
        run, texts = self.stages.run, self.training["data"]["texts"]
        run("fetch the corpora", self.fetch)
        run("learn text pieces", self.learn_pieces, key=texts, products=("tokenizer.model",))
        run("pretrain", self.pretrain, key=self.training, products=("model.safetensors", "config.json", "metrics.csv"))
        made = f"{ADAPTER}/adapter_model.safetensors"
        run(
            f"fine-tune for {self.settings.adapted}",
            self.fine_tune,
            key=[self.training, self.adapter],
            products=(made,),
        )
        run("evaluate on held-out examples", self.evaluate)
        run("write the report", self.report)

    def fetch(self) -> str:
        available, self.found.missing = fetch_all(all_corpora())
        for line in self.found.missing:
            self.stages.console.print(line)
        return f"{len(available)} corpora" + (f", {len(self.found.missing)} missing" if self.found.missing else "")

    def learn_pieces(self) -> str:
        return learn_pieces(self.training, self.out)

    def pretrain(self) -> str:
        kept = sum(value for name, value in self.minutes.items() if name != "whole")
        seconds = 60 * (self.minutes["whole"] - kept) - self.stages.seconds
        if seconds < LEAST_SECONDS:
            raise ValueError(
                f"minutes: {self.minutes['whole']:g} leave nothing for training; other stages take {kept:g}"
            )
        stopped = unfinished(self.training, self.out) if self.resume else None
        return fit(self.training, self.out, seconds=seconds, checkpoint=stopped)

    def fine_tune(self) -> str:
        return fit(self.adapter, self.out / ADAPTER, seconds=60 * self.minutes["fine_tuning"])

    def evaluate(self) -> str:
        model, adapted = load_own(self.out), load_own(self.out / ADAPTER)
        names = [*self.training["data"]["tasks"]]
        seconds = 60 * self.minutes["evaluation"] / (len(names) + 2)
        for name in names:
            evaluation = self._evaluated(model, name, seconds)
            if evaluation is not None:
                self.found.base[name] = evaluation
        name = self.settings.adapted
        before = self.found.base.get(name) or self._evaluated(model, name, seconds, "base model")
        after = self._evaluated(adapted, name, seconds, "with its adapter")
        if before is not None and after is not None:
            self.found.change = page.Adaptation(self._method(adapted), before, after)
        (self.out / "metrics.json").write_text(json.dumps(self.found.rows(), indent=1) + "\n", encoding="utf-8")
        better = sum(evaluation.beats_baseline for evaluation in self.found.evaluations)
        return f"{better} of {len(self.found.evaluations)} tasks beat the best trivial answer"

    def _evaluated(self, model: Unimodal, name: str, seconds: float, said: str = "") -> Evaluation | None:
        overlay = self.training["data"]["tasks"].get(name)
        task = build_task(name, model.processor.vocabulary, overlay=overlay)
        try:
            evaluation = self.settings.evaluation(model, task, seconds=seconds)
        except TaskUnavailable as problem:
            self.found.missing.append(f"task {name} is left out: {problem}")
            return None
        self.found.tasks[name] = task
        score = f"{evaluation.metric} {page.number(evaluation.value)}"
        trivial = f"{evaluation.baseline_name} {page.number(evaluation.baseline_value)}"
        self.stages.console.print(
            f"{name}{' ' if said else ''}{said}: {score} ({trivial}), {evaluation.n_test} examples, "
            f"{page.duration(evaluation.seconds)}"
        )
        return evaluation

    def _method(self, adapted: Unimodal) -> str:
        config = json.loads((self.out / ADAPTER / "adapter_config.json").read_text(encoding="utf-8"))
        share = (self.out / ADAPTER / "adapter_model.safetensors").stat().st_size / 4 / adapted.model.num_parameters()
        name, taught = self.settings.adapted, self.training["data"]["tasks"]
        known = "one of the tasks of pretraining" if name in taught else "a task that pretraining did not know"
        return (
            f"Adapters of rank {config['r']}, {share:.1%} of the model's size, were trained for {name}, {known}; the "
            "model's own weights stayed as they were. Before and after are scores on the same examples."
        )

    def report(self) -> str:
        found, model = self.found, load_own(self.out)
        size = page.write(
            page.Report(
                title="One encoder-decoder for speech, text, pictures, tables and code",
                facts=self._facts(model),
                stages=self.stages.done,
                evaluations=found.evaluations,
                curves=self._curves(),
                alignments=self._alignments(model),
                samples=self._samples(),
                adaptation=found.change,
                missing=found.missing,
            ),
            self.out / "report.html",
        )
        return f"{self.out / 'report.html'}, {size / 1e6:.1f} MB"

    def _facts(self, model: Unimodal) -> dict[str, str]:
        facts = {
            "command": " ".join(["python", *sys.argv]),
            "seed": str(self.training["seed_everything"]),
            "model": f"{model.model.num_parameters() / 1e6:.1f} M parameters, from {self.training['model']['source']}",
            "machine": f"{len(os.sched_getaffinity(0))} cores, {platform.system()} {platform.machine()}",
            "software": f"Python {platform.python_version()}, PyTorch {torch.__version__}",
            "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        }
        commit = _commit()
        return {**facts, "commit": commit} if commit else facts

    def _curves(self) -> list[page.Figure]:
        folders = {"": self.out, f" ({ADAPTER})": self.out / ADAPTER}
        return [
            page.Figure(f"{task}{said}" + (f": {term}" if len(terms) > 1 else ""), loss(curve, task))
            for said, folder in folders.items()
            for task, terms in read_curves(folder / "metrics.csv").items()
            for term, curve in terms.items()
            if len(curve.train) > 1
        ]

    def _alignments(self, model: Unimodal) -> list[page.Figure]:
        """Of the longest of the shown examples: a word alone shows little."""
        titles = {"tts": "Speaking: steps of speech look at text", "asr": "Hearing: text looks at speech"}
        figures = []
        for name, title in titles.items():
            if name in self.found.base:
                task, samples = self.found.tasks[name], self.found.base[name].samples
                items = [model.processor.example(task, sample.example) for sample in samples]
                longest = max(items, key=lambda item: sum(piece.positions for piece in item.prompt))
                figures.append(figure(align(model, longest), task, title))
        return figures

    def _samples(self) -> list[page.Samples]:
        change, tasks = self.found.change, self.found.tasks
        shown = {name: showing.samples(tasks[name], {"model": found}) for name, found in self.found.base.items()}
        if change is not None:
            name = change.after.task
            shown[name] = showing.samples(tasks[name], {"before": change.before, "with the adapter": change.after})
        return [shown[name] for name in shown]

    def show(self) -> None:
        """Prints the scores."""
        table = Table("task", "modality", "metric", "model", "trivial", "", "examples", box=None)
        for evaluation in self.found.evaluations:
            arrow = "↑" if evaluation.higher_is_better else "↓"
            verdict = "[green]better" if evaluation.beats_baseline else "[red]not better"
            scores = page.number(evaluation.value), page.number(evaluation.baseline_value)
            metric = f"{evaluation.metric} {arrow}"
            table.add_row(evaluation.task, evaluation.modality, metric, *scores, verdict, str(evaluation.n_test))
        self.stages.console.print(table)
        change = self.found.change
        if change is not None:
            before, after = page.number(change.before.value), page.number(change.after.value)
            self.stages.console.print(f"LoRA, {change.after.task}: {change.after.metric} {before} -> {after}")
        self.stages.console.print(
            f"{self.out / 'report.html'}: open it in a browser ({page.duration(self.stages.seconds)})"
        )


def main(arguments: list[str]) -> int:
    """Runs all stages. A one-line error says where not a single task can be trained."""
    parser = Parser(prog="demo", description=(__doc__ or "").strip())
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="default: %(default)s")
    parser.add_argument("--config", default=CONFIG, help="default: %(default)s")
    parser.add_argument("--minutes", type=float, help="of the whole demo; default: as the config says")
    parser.add_argument("--seed", type=int, help="default: as the training config says")
    parser.add_argument("--resume", action="store_true", help="keep what was finished with the same config")
    options = parser.parse_args(arguments)
    spec = {"class": "unimodal.commands.demo.Settings", **load_config(options.config)}
    settings = build(spec, Settings, where="demo")
    demo = Demo(options.out, settings, minutes=options.minutes, seed=options.seed, resume=options.resume)
    logging.disable_progress_bar()  # of transformers: loading takes no time
    demo.run()
    demo.show()
    return 0


def _commit() -> str:
    """The commit of the working directory, where it is a checkout."""
    try:
        found = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return found.stdout.strip()
