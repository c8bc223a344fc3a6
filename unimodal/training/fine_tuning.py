"""Fine-tuning on a manifest in stages: read it, score the base, train, score what came of it on the same examples."""

import json
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from unimodal.build import build
from unimodal.catalogue import build_task, task_spec
from unimodal.data.columns import Files
from unimodal.data.manifest import Manifest, Row
from unimodal.loading.extension import added_rows, extend, extended, likenesses, missing_characters
from unimodal.loading.folder import read_json
from unimodal.loading.hub import ADAPTER_FILE, BASE, load_own
from unimodal.loading.own import Unimodal
from unimodal.loading.own_tasks import OwnTask, write_tasks
from unimodal.loading.publishing import Change, tuned_card
from unimodal.measuring.evaluate import Evaluation, evaluate
from unimodal.processor import UnimodalProcessor
from unimodal.running.stages import Stages
from unimodal.spec import merge_specs
from unimodal.task import Example, Task
from unimodal.training.data.items import lengths
from unimodal.training.recipes import fit, unfinished

DIVISION = "division.json"
REJECTED = "rejected.jsonl"
METRICS = "metrics.json"
EXTENDED = "extended"
"""The base over a larger vocabulary, there while an adapter is trained on it."""
SHOWN = 20
"""Rejected rows that are printed; the file has all."""
MOST_SCORED = 1000
"""Held-out examples that are scored, always the same ones."""
SCORING = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": 160}
"""How answers are decoded before and after, as `make demo` does: a base that runs on is not scored by how far."""
OWN_DATA = "unimodal.tasks.own_data.OwnData"
PARTS = "unimodal.adapters.with_parts.WithParts"


@final
@dataclass(frozen=True)
class Asked:
    """What a user wants of his data. `share` is held out where the manifest does not say.

    `adapter` is a spec; None: all weights learn, and a model of its own comes of it.
    """

    task: OwnTask
    manifest: Path
    model: Path
    out: Path
    config: Mapping[str, Any]
    adapter: Mapping[str, Any] | None
    minutes: float
    share: float = 0.1
    outside: bool = False
    resume: bool = False


@final
class FineTuning:
    """The stages over one folder, which gets a model, or an adapter in PEFT's files with what its base lacks."""

    def __init__(self, asked: Asked) -> None:
        self.asked, self.out = asked, asked.out
        if asked.out.resolve() == asked.model.resolve():
            raise ValueError(f"{asked.out}: is the base's own folder")
        self.base = load_own(asked.model)
        self.processor = self.base.processor
        self.manifest = Manifest(asked.manifest)
        self.files = Files(asked.manifest.parent, asked.outside)
        self.task = self._built(self.processor)
        self.added: list[int] = []
        """Ids that the base does not have."""
        self.nets: set[str] = set()
        """Those that read the task's inputs."""
        self.before: Evaluation | None = None
        self.out.mkdir(parents=True, exist_ok=True)
        self.stages = Stages(self.out, total=4)

    def run(self) -> str:
        """All stages; the name under which the task is asked for now."""
        self.stages.run("read the manifest", self.read)
        self.stages.run("score the base", self.score_before)
        self.stages.run("train", self.train)
        self.stages.run("score what was trained", self.score_after)
        return self.task.name

    def read(self) -> str:
        """Leaves out what cannot be used, enlarges the vocabulary by what it lacks, and holds some groups out."""
        manifest, texts = self.manifest, list[str]()
        manifest.keep(lambda row: texts.extend(self._texts(row)))
        self._enlarge(texts)
        manifest.keep(self._check_item)
        manifest.write_rejected(self.out / REJECTED)
        for bad in manifest.rejected[:SHOWN]:
            self.stages.console.print(f"line {bad.line}: {bad.reason}", markup=False, soft_wrap=True)
        if len(manifest.rejected) > SHOWN:
            self.stages.console.print(f"and {len(manifest.rejected) - SHOWN} more: {self.out / REJECTED} has all")
        if not manifest.rows:
            raise ValueError(f"{manifest.file}: none of its {len(manifest.rejected)} rows can be used")
        division = manifest.divide(self.task.schema.inputs, share=self.asked.share)
        division.save(self.out / DIVISION)
        said = f"{len(division.train)} examples to learn from, {len(division.test)} held out"
        said += f", {len(manifest.rejected)} rows left out" if manifest.rejected else ""
        return said + (f", {len(self.added)} ids more in the vocabulary" if self.added else "")

    def score_before(self) -> str:
        """The base on what is held out, under the tag that it was taught."""
        space = self.base.processor.vocabulary.space
        taught = [space.name(tag) for tag in space.ids("task")]
        for tag in (self.tag, self.asked.task.like):
            if tag in taught:
                self.before = self._score(self.base, tag)
                return _said(self.before)
        return f"the base was not taught {self.asked.task.like}: there is nothing to score"

    def train(self) -> str:
        """Runs `unimodal fit`, and puts beside the adapter what its base lacks."""
        source = self.asked.model
        if self.added:
            source = self.out / EXTENDED
            alike = likenesses(self.processor.vocabulary, self.added, {self.tag: self.asked.task.like})
            larger = extend(self.base.model, self.processor.vocabulary.space, alike)
            Unimodal(larger, self.processor).save_pretrained(source)
        config = self._config(source)
        stopped = unfinished(config, self.out) if self.asked.resume else None
        said = fit(config, self.out, seconds=60 * self.asked.minutes, checkpoint=stopped)
        if self.added:
            self.processor.save_pretrained(self.out)
            shutil.rmtree(source)
        write_tasks({self.task.name: self.asked.task} if self.asked.task.settings else {}, self.out)
        if self.asked.adapter is not None:
            _link(self.out / BASE, self.asked.model)
        return said

    def score_after(self) -> str:
        """What was trained, loaded as a user does, on the same examples; writes the scores and the card."""
        after = self._score(load_own(self.out), self.tag)
        before = None if self.before is None else self.before.value
        (self.out / METRICS).write_text(
            json.dumps([{**after.row(), "base_value": before}], indent=1) + "\n", encoding="utf-8"
        )
        change = Change(after.row(), before, self._kind(), len(self.manifest.rows) - after.n_test)
        (self.out / "README.md").write_text(tuned_card(self.out.name, change), encoding="utf-8")
        return f"{_said(after)}" + ("" if before is None else f", before {before:.4g}")

    @property
    def tag(self) -> str:
        """The token that is put before what the task reads."""
        return self.task.tag or self.task.name

    def _kind(self) -> str | None:
        """PEFT's name of the adapter; None for a model of its own."""
        if self.asked.adapter is None:
            return None
        return str(read_json(self.out / ADAPTER_FILE).get("peft_type"))

    def _built(self, processor: UnimodalProcessor) -> Task:
        own = self.asked.task
        return build_task(own.like, processor.vocabulary, overlay=own.settings)

    def _example(self, row: Row) -> Example:
        return self.task.schema.example(row.values, self.files, f"row#{row.line}")

    def _texts(self, row: Row) -> Iterator[str]:
        """All that a row reads and writes as text; what reads it is noted."""
        example = self._example(row)
        self.nets |= {net for net, _ in self.task.prompt(example)}
        yield from (value for value in (*example.inputs.values(), example.answer) if isinstance(value, str))

    def _enlarge(self, texts: list[str]) -> None:
        """A vocabulary with the characters of the texts and the task's tag, where the base lacks some."""
        base = self.base.processor.vocabulary
        taught = [base.space.name(tag) for tag in base.space.ids("task")]
        tags = [tag for tag in (self.tag,) if tag not in taught]
        characters = missing_characters(base.pieces, texts)
        if characters or tags:
            larger = extended(base, characters, tags)
            self.added = added_rows(base.space, larger.space)
            self.processor = UnimodalProcessor(self.processor.specs, larger)
            self.task = self._built(self.processor)

    def _check_item(self, row: Row) -> None:
        """Raises ValueError for a row that no batch would hold, or that a net or the codec refuses."""
        longest = self.asked.config["data"]["batching"]["longest"]
        entries = max(lengths(self.processor.example(self.task, self._example(row))))
        if entries > longest:
            raise ValueError(f"is too long: {entries} entries, more than {longest}")

    def _own_data(self) -> dict[str, Any]:
        """The spec of the task over the manifest."""
        return {
            "class": OWN_DATA,
            "task": task_spec(self.asked.task.like, self.asked.task.settings),
            "manifest": str(self.asked.manifest.resolve()),
            "division": str((self.out / DIVISION).resolve()),
            "outside": self.asked.outside,
        }

    def _score(self, model: Unimodal, tag: str) -> Evaluation:
        spec = {**self._own_data(), "tag": tag}
        task: Task = build(spec, Task, where="task", vocabulary=model.processor.vocabulary, cache=None)
        return evaluate(model, task, limit=MOST_SCORED, decoding=SCORING)

    def _config(self, source: Path) -> dict[str, Any]:
        """The config of the run: the adapter, the nets that learn whole, the task, and where it is named."""
        model, name = self.base.model, self.task.name
        nets = [f"prenets.{net}" for net in sorted(self.nets) if any(True for _ in model.prenet(net).parameters())]
        nets += [f"readouts.{net}" for net in sorted(self.nets) if net in model.readouts]
        if self.task.writes in model.postnets:
            nets += [f"prenets.{self.task.writes}", f"postnets.{self.task.writes}"]
        config = merge_specs(self.asked.config, {"model": {"source": str(source)}})
        config["model"]["adapter"] = None
        if self.asked.adapter is not None:
            adapter = dict(self.asked.adapter)
            modules = list(dict.fromkeys(nets))  # what writes may be told something as well
            config["model"]["adapter"] = {"class": PARTS, "adapter": adapter, "modules": modules, "rows": self.added}
        config["model"]["objective"] = _renamed(config["model"]["objective"], self.asked.task.like, name)
        config["data"] = {**config["data"], "tasks": {name: self._own_data()}}
        return config


def _renamed(spec: Any, old: str, new: str) -> Any:
    """A spec whose lists of tasks have another name in the place of one."""
    if isinstance(spec, Mapping):
        return {key: _renamed(value, old, new) for key, value in spec.items()}
    if isinstance(spec, list):
        return [new if item == old else _renamed(item, old, new) for item in spec]
    return spec


def _link(link: Path, target: Path) -> None:
    """Lets an adapter find its base, wherever it stands."""
    link.unlink(missing_ok=True)
    link.symlink_to(target.resolve(), target_is_directory=True)


def _said(found: Evaluation) -> str:
    return (
        f"{found.metric} {found.value:.4g} on {found.n_test} held-out examples "
        f"({found.baseline_name} {found.baseline_value:.4g})"
    )
