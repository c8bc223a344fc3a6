"""Examples that a run forgets or repeats."""

from collections.abc import Iterable, Sequence
from typing import Any, final

from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.utilities import rank_zero_info, rank_zero_warn

from unimodal.batching import Batch
from unimodal.training.data.module import TaskData
from unimodal.training.data.streams import BATCHES_A_WINDOW
from unimodal.training.distributed.collectives import gather
from unimodal.training.guards import Guard
from unimodal.training.measuring.tally import Finding, RoundTally

NAMED = 3
"""Examples that one line names."""


class BrokenRound(UserWarning):
    """Not every example of a task was trained on once in a round."""


@final
class CompleteRounds(Guard):
    """Counts what every process really trained on, and warns where a round of a task had not every example once.

    `audit/rounds`, `audit/missing` and `audit/repeated` are logged whenever a round is over. Examples left out because
    they are too long count as seen; one line names them.
    """

    def __init__(self) -> None:
        self._tally: RoundTally | None = None
        self._state: dict[str, Any] | None = None
        self._taken = 0
        self._long: dict[str, set[int]] = {}
        self._spoken: set[str] = set()
        self._totals = {"rounds": 0, "missing": 0, "repeated": 0}

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        data = data_of(trainer)
        device = trainer.strategy.root_device
        self._tally = RoundTally(data.training_items.sizes, shards=data.shards.total, device=device)
        self._taken = trainer.global_step * trainer.accumulate_grad_batches
        if self._state is not None:
            self._tally.load(self._state["tally"], first=trainer.is_global_zero)
            self._totals, self._spoken = dict(self._state["totals"]), set(self._state["spoken"])

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Batch, batch_idx: int
    ) -> None:
        shards = data_of(trainer).shards
        shard, _ = shards.place(self._taken)
        assert self._tally is not None
        self._tally.take(shard, (*batch.draws, *batch.left_out))
        for draw in batch.left_out:
            self._long.setdefault(draw.task, set()).add(draw.example)
        self._taken += 1
        if self._taken % (2 * BATCHES_A_WINDOW * shards.own) == 0:  # both open windows of every shard are used up
            self._report(trainer, self._tally.close())
            pl_module.log_dict({f"audit/{name}": float(value) for name, value in self._totals.items()})

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        assert self._tally is not None
        self._report(trainer, self._tally.repeated())

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        if self._tally is not None:
            state = {"tally": self._tally.state(), "totals": self._totals, "spoken": sorted(self._spoken)}
            checkpoint["rounds"] = state

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        self._state = checkpoint.get("rounds")

    def _report(self, trainer: Trainer, findings: Sequence[Finding]) -> None:
        data = data_of(trainer)
        for found in findings:
            self._totals["rounds"] += found.over
            self._totals["missing"] += len(found.missing)
            self._totals["repeated"] += len(found.repeated)
            problems = {"not trained on": found.missing, "trained on more than once": found.repeated}
            says = [f"{name}: {_named(data, found.task, those)}" for name, those in problems.items() if those]
            if says:
                rank_zero_warn(f"task {found.task}, round {found.round}: {'; '.join(says)}", category=BrokenRound)
        tasks = {found.task for found in findings} - self._spoken
        if tasks:
            self._speak_of_long(data, sorted(tasks))

    def _speak_of_long(self, data: TaskData, tasks: Iterable[str]) -> None:
        everyone = gather(self._long)
        for task in tasks:
            self._spoken.add(task)
            if those := sorted(set().union(*(long.get(task, ()) for long in everyone))):
                longest = data.batching.longest
                rank_zero_info(f"task {task}: longer than {longest} entries and left out: {_named(data, task, those)}")


def data_of(trainer: Trainer) -> TaskData:
    data = trainer.datamodule  # type: ignore[attr-defined]  # set by the trainer, not declared
    assert isinstance(data, TaskData)
    return data


def _named(data: TaskData, task: str, examples: Sequence[int]) -> str:
    """`3 of 1,218 examples (key, key, ...)`."""
    all_examples = data.training_items.examples[task]
    keys = [all_examples[example].key for example in examples[:NAMED]]
    more = ", ..." if len(examples) > NAMED else ""
    return f"{len(examples):,} of {len(all_examples):,} examples ({', '.join(keys)}{more})"
