"""Training beside transformers' Seq2SeqTrainer on the T5-small shape, in turns in one run: `make bench`.

Both train the same weights with fused AdamW, float32, gradients clipped at 1, no dropout, as their own trainers do it:
`Learner` under Lightning with its guards, and Seq2SeqTrainer with its defaults. Two kinds of batches:

- fixed: every source and target has `--length` entries, `--batch` examples a step;
- ragged: lengths of the examples that the nano config draws, text in their place. Ours packs them; the Trainer has one
  example a row, drawn `group_by_length` and padded to the longest of the batch, which is the best that it offers.

Real entries (source and target, without padding) per second; a ratio above 1 says that ours is faster. Writes
runs/bench_training.json. `--quick` shows that it runs, with a model of a tenth of the size; its figures mean nothing.
"""

import argparse
import json
import logging
import statistics
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Any

import torch
import yaml
from lightning.pytorch import Callback, LightningModule, Trainer
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from torch.utils.data import Dataset
from transformers import (
    PrinterCallback,
    Seq2SeqTrainer,
    Seq2SeqTrainingArguments,
    T5Config,
    T5ForConditionalGeneration,
    TrainerCallback,
)

from unimodal.batching import IGNORED, Batch, EncoderDecoder, Item, Packed, Packer, Padded, token_piece
from unimodal.conversions.t5 import T5
from unimodal.measuring.machine import describe_run
from unimodal.measuring.measure import TimedRatio
from unimodal.objectives import total
from unimodal.training.cli import DEFAULTS
from unimodal.training.data.bucketings.mixed import Mixed
from unimodal.training.data.module import TaskData
from unimodal.training.guards.disk import DiskSpace
from unimodal.training.guards.losses import DeadTasks, LossSpikes
from unimodal.training.guards.non_finite import NonFinite
from unimodal.training.guards.processes import LostProcesses
from unimodal.training.guards.signals import StopSignals
from unimodal.training.measuring.metrics import MetricsFile
from unimodal.training.measuring.throughput import Throughput
from unimodal.training.measuring.waiting import MeasuredLoader
from unimodal.training.module import Learner, model_of
from unimodal.training.recipes import load_config

Length = tuple[int, int]
BATCHING = {"bucketing": "unimodal.training.data.bucketings.mixed.Mixed", "packer": "unimodal.batching.Padded"}
WARM_UP = 2
"""Steps of each run that are not measured."""


@dataclass(frozen=True)
class Shape:
    """What both train on: lengths of examples, examples a step of the Trainer, entries a step of ours."""

    lengths: Sequence[Length]
    batch: int
    packer: Packer
    sampling: str

    def ids(self, vocabulary: int) -> list[tuple[Tensor, Tensor]]:
        draw = torch.Generator().manual_seed(0)
        return [
            (
                torch.randint(4, vocabulary, (source,), generator=draw),
                torch.randint(4, vocabulary, (target,), generator=draw),
            )
            for source, target in self.lengths
        ]


class Marks:
    """When each step ended, and how many real entries it had."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.entries: list[int] = []

    def rate(self) -> float:
        """Real entries a second after the first steps."""
        steps = len(self.times)
        return sum(self.entries[WARM_UP:steps]) / (self.times[-1] - self.times[WARM_UP - 1])


class Mark(Callback):
    def __init__(self, marks: Marks) -> None:
        self.marks = marks

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.marks.times.append(time.perf_counter())
        self.marks.entries.append(batch.num_entries)


class TheirMark(TrainerCallback):
    def __init__(self, marks: Marks) -> None:
        self.marks = marks

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.marks.times.append(time.perf_counter())


class Batches(Dataset[Batch]):
    """Examples packed to batches when they are asked for, as in a run."""

    def __init__(self, learner: Learner, shape: Shape, steps: int) -> None:
        self.learner, self.shape = learner, shape
        items = [item_of(*pair) for pair in shape.ids(len(learner.model.vocabulary))]
        batches = max(1, len(items) // shape.batch)
        assert batches >= steps, "fewer examples than the steps need"
        self.split = [
            [items[example] for example in batch] for batch in Mixed().split(shape.lengths, batches, Random(0))
        ]

    def __len__(self) -> int:
        return len(self.split)

    def __getitem__(self, number: int) -> Batch:
        return EncoderDecoder().batch(self.split[number], self.shape.packer, self.learner.model.kinds)


class RandomText(TaskData):  # type: ignore[misc]  # final for the package; here batches come from nowhere
    """Stands where a run has its tasks."""

    def __init__(self, batches: Batches) -> None:
        super().__init__({"code_summary": None}, batching=BATCHING)
        self.batches = batches

    def prepare_data(self) -> None:
        pass

    def setup(self, stage: str) -> None:
        self.tasks = {}

    def train_dataloader(self) -> MeasuredLoader:
        return MeasuredLoader(self.batches, batch_size=None)


def item_of(source: Tensor, target: Tensor) -> Item:
    shifted = torch.cat([torch.zeros(1, dtype=torch.long), target[:-1]])
    return Item("code_summary", (token_piece(source),), token_piece(shifted), target)


class Pair:
    """The same T5 as a model of ours and of transformers', each with its trainer."""

    def __init__(self, config: T5Config, folder: Path) -> None:
        self.folder = folder
        self.theirs = T5ForConditionalGeneration(config)
        source = folder / "model.yaml"
        source.write_text(yaml.safe_dump({"spec": T5().config(config.to_dict())}), encoding="utf-8")
        self.learner = Learner(
            str(source),
            objective={"class": "unimodal.objectives.cross_entropy.CrossEntropy"},
            optimizer={"class": "unimodal.training.optimizer.AdamW", "learning_rate": 1e-4},
        )
        self.learner.model.load_state_dict(T5().to_unimodal(self.theirs.state_dict(), config.to_dict()))

    def check(self) -> None:
        """Raises AssertionError where the two models do not lose the same on the same examples."""
        shape = Shape([(24, 16)] * 2, 2, Padded(), "random")
        batch = Batches(self.learner, shape, 1)[0]
        pairs = shape.ids(len(self.learner.model.vocabulary))
        sources, targets = (torch.stack(side) for side in zip(*pairs, strict=True))
        with torch.no_grad():
            theirs = float(self.theirs(input_ids=sources, labels=targets).loss)
            ours = float(
                total(self.learner.objective.terms(self.learner.model, self.learner.model(batch=batch), batch))
            )
        assert abs(ours - theirs) < 1e-4 * theirs, f"the two models are not the same: {ours} and {theirs}"

    def train_ours(self, shape: Shape, steps: int) -> float:
        marks = Marks()
        guards = [NonFinite(), LossSpikes(), DeadTasks(), DiskSpace(), StopSignals(), LostProcesses(), Throughput()]
        trainer = Trainer(
            **DEFAULTS,
            default_root_dir=str(self.folder),
            logger=MetricsFile(self.folder),
            max_steps=steps + WARM_UP,
            limit_val_batches=0,
            callbacks=[*guards, Mark(marks)],
        )
        trainer.fit(self.learner, datamodule=RandomText(Batches(self.learner, shape, steps + WARM_UP)))
        return marks.rate()

    def train_theirs(self, shape: Shape, steps: int) -> float:
        marks = Marks()

        def collate(features: list[dict[str, Tensor]]) -> dict[str, Tensor]:
            sources, targets = ([feature[name] for feature in features] for name in ("input_ids", "labels"))
            marks.entries.append(sum(map(len, sources + targets)))
            ids = pad_sequence(sources, batch_first=True)
            lengths = torch.tensor([len(source) for source in sources])
            return {
                "input_ids": ids,
                "attention_mask": (torch.arange(ids.shape[1]) < lengths[:, None]).long(),
                "labels": pad_sequence(targets, batch_first=True, padding_value=IGNORED),
            }

        pairs = shape.ids(self.theirs.config.vocab_size)
        arguments = Seq2SeqTrainingArguments(
            output_dir=str(self.folder),
            max_steps=steps + WARM_UP,
            per_device_train_batch_size=shape.batch,
            train_sampling_strategy=shape.sampling,
            learning_rate=1e-4,
            adam_beta2=0.98,
            weight_decay=0.01,
            lr_scheduler_type="constant",
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
        )
        trainer = Seq2SeqTrainer(
            model=self.theirs,
            args=arguments,
            train_dataset=[{"input_ids": source, "labels": target} for source, target in pairs],
            data_collator=collate,
            callbacks=[TheirMark(marks)],
        )
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return marks.rate()


def compare(pair: Pair, shape: Shape, steps: int, rounds: int) -> TimedRatio:
    """Runs in turns, so that a busy machine slows both alike; the seconds are those of a thousand real entries."""
    rates = [(pair.train_ours(shape, steps), pair.train_theirs(shape, steps)) for _ in range(rounds)]
    return TimedRatio(
        ratio=statistics.median(ours / theirs for ours, theirs in rates),
        first_seconds=1000 / statistics.median(ours for ours, _ in rates),
        second_seconds=1000 / statistics.median(theirs for _, theirs in rates),
        rounds=rounds,
    )


def nano_lengths(config: str, num: int, folder: Path) -> list[Length]:
    """Of the first examples that a run of a config draws, left in a file of the folder for the next time."""
    file = folder / f"lengths-{num}.json"
    if not file.is_file():
        spec = load_config(config)
        data = TaskData(**spec["data"])
        trainer = Trainer(default_root_dir=str(folder), accelerator="cpu", logger=False, enable_checkpointing=False)
        holder = LightningModule()
        holder.model = model_of(spec["model"]["source"])
        trainer.strategy.connect(holder)
        data.trainer = trainer
        data.setup("fit")
        found: list[Length] = []
        for batch in data.train_dataloader():
            sides = [part.layout for part in (batch.source, batch.target) if part is not None]
            counts = [torch.bincount(layout.segments[layout.valid], minlength=batch.num_examples) for layout in sides]
            found += [(int(source), int(target)) for source, target in zip(*counts, strict=True)]
            if len(found) >= num:
                break
        file.write_text(json.dumps(found[:num]), encoding="utf-8")
    return [(source, target) for source, target in json.loads(file.read_text(encoding="utf-8"))]


def shapes(options: argparse.Namespace, folder: Path) -> dict[str, Shape]:
    length, batch = options.length, options.batch
    steps = options.steps + WARM_UP
    fixed = Shape([(length, length)] * (batch * steps), batch, Padded(), "random")
    ragged = nano_lengths(options.config, 200 if options.quick else 2000, folder)
    mean = statistics.fmean(map(sum, ragged))
    examples = max(1, round(2 * length * batch / mean))
    # Enough for every step, in the order in which they were drawn.
    ragged = (ragged * (1 + examples * steps // len(ragged)))[: max(len(ragged), examples * steps)]
    return {"fixed": fixed, "ragged": Shape(ragged, examples, Packed(source=256, target=128), "group_by_length")}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=8, help="examples of a fixed batch; ragged ones have its entries")
    parser.add_argument("--length", type=int, default=256, help="source and target entries of a fixed example")
    parser.add_argument("--steps", type=int, default=8, help="steps measured in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--config", default="configs/training/nano.yaml", help="whose examples' lengths are taken")
    parser.add_argument("--quick", action="store_true", help="a small model, few steps")
    parser.add_argument("--out", type=Path, default=Path("runs/bench_training.json"))
    options = parser.parse_args()
    folder = options.out.parent / "bench_training"
    folder.mkdir(parents=True, exist_ok=True)
    size: dict[str, Any] = {"d_model": 64, "d_kv": 16, "d_ff": 128, "num_layers": 2, "num_heads": 4}
    if options.quick:
        options.batch, options.length, options.steps, options.rounds = 4, 64, 3, 1
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", ".*(many workers|isinstance.treespec|not resumable).*")
    torch.manual_seed(0)
    settings: dict[str, Any] = {"dropout_rate": 0.0, "decoder_start_token_id": 0, **(size if options.quick else {})}
    pair = Pair(T5Config(**settings), folder)
    pair.check()
    results = {
        name: compare(pair, shape, options.steps, options.rounds) for name, shape in shapes(options, folder).items()
    }
    report(results, options)


def report(results: dict[str, TimedRatio], options: argparse.Namespace) -> None:
    run: dict[str, Any] = {
        "batch": options.batch,
        "length": options.length,
        "steps": options.steps,
        "quick": options.quick,
    }
    run |= describe_run("torch", "transformers", "lightning")
    written = {**run, "threads": torch.get_num_threads(), **{name: asdict(result) for name, result in results.items()}}
    options.out.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    table = Table("T5-small, float32", "ours, entries/s", "Seq2SeqTrainer, entries/s", "ratio")
    for name, result in results.items():
        rates = (f"{1000 / seconds:,.0f}" for seconds in (result.first_seconds, result.second_seconds))
        table.add_row(name, *rates, f"{result.ratio:.3f}")
    Console().print(table)


if __name__ == "__main__":
    main()
