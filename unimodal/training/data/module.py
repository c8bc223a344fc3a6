"""The data module: tasks by name, mixed, processed, batched."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, final

from lightning.pytorch import LightningDataModule
from lightning.pytorch.utilities import rank_zero_info
from torch.utils.data import DataLoader

from unimodal.batching import Batch, Packer
from unimodal.build import build
from unimodal.catalogue import check_task, task_spec
from unimodal.data.blocks import blocks_of
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.processor import PIECES_FILE, SPEC_FILE, UnimodalProcessor
from unimodal.spec import merge_specs
from unimodal.task import Example, Task, TaskUnavailable
from unimodal.training.data.batches import (
    Collation,
    CountingSampler,
    EvaluationBatches,
    TrainingBatches,
    mean_entries,
    shortest,
)
from unimodal.training.data.bucketings import Bucketing
from unimodal.training.data.items import Items
from unimodal.training.data.mixtures import Mixture
from unimodal.training.data.mixtures.temperature import Temperature
from unimodal.training.data.parcels import pack
from unimodal.training.data.rounds import Rounds
from unimodal.training.data.shards import Shards
from unimodal.training.data.streams import BATCHES_A_WINDOW, Stream
from unimodal.training.data.streams.mixed import MixedStream
from unimodal.training.data.vocabulary import prepare
from unimodal.training.guards.signals import ignore_in_worker
from unimodal.training.measuring.waiting import MeasuredLoader


@final
class Batching:
    """What a config says of batches: `entries` on average, source and target together; `longest` limits each side.

    `stream` says whether tasks are mixed in a batch.

    `shards` is how many processes a run is cut for, those that it has where it is not given: one process with two
    shards takes the batches of two processes in turns.
    """

    def __init__(
        self,
        bucketing: Bucketing,
        *,
        packer: Packer,
        stream: Callable[..., Stream] = MixedStream,
        entries: int = 4096,
        longest: int = 512,
        workers: int = 0,
        memory: int = 2_000_000_000,
        shards: int | None = None,
    ) -> None:
        self.bucketing, self.packer, self.stream = bucketing, packer, stream
        self.entries, self.longest = entries, longest
        self.workers, self.memory, self.shards = workers, memory, shards


@final
class TaskData(LightningDataModule):
    """Training batches without end, and the first examples of every task for validation and test."""

    def __init__(
        self,
        tasks: dict[str, Any],
        *,
        batching: dict[str, Any],
        mixture: dict[str, Any] | None = None,
        pieces: str | None = None,
        texts: dict[str, Any] | None = None,
        cache: str | None = None,
        num_validation: int = 100,
        seed: int = 0,
    ) -> None:
        """`tasks` by name: what a mapping says is laid over `configs/tasks/NAME.yaml`; null changes nothing.

        `pieces` is the sentencepiece model's file, `tokenizer.model` in the run's folder where it is not given; it is
        learned from `texts` where it is not there. `num_validation` examples of each task are evaluated.
        """
        super().__init__()
        self.prepare_data_per_node = False  # machines share the run's folder
        if not tasks:
            raise ValueError("data.tasks: names no task")
        self.task_specs = {name: _task_spec(name, overlay) for name, overlay in tasks.items()}
        self.batching = build(_of(Batching, batching), Batching, where="data.batching")
        self.mixture = Temperature() if mixture is None else build(mixture, Mixture, where="data.mixture")
        self.texts = build(texts, Callable[..., Iterator[str]] | None, where="data.texts")
        self.pieces, self.cache = None if pieces is None else Path(pieces), None if cache is None else Path(cache)
        self.num_validation, self.seed = num_validation, seed
        self.uniform = False
        """Whether each batch has to have all tasks, since processes wait for each other in every net."""

    def prepare_data(self) -> None:
        """On one process, before the others: text pieces are learned."""
        self._processor()

    def setup(self, stage: str) -> None:
        self.processor = self._processor()
        vocabulary, cache = self.processor.vocabulary, self.cache
        self.tasks: dict[str, Task] = {
            name: build(spec, Task, f"data.tasks.{name}", vocabulary=vocabulary, cache=cache)
            for name, spec in self.task_specs.items()
        }

    @property
    def shards(self) -> Shards:
        """What this process takes of the run's batches."""
        assert self.trainer is not None
        ranks = self.trainer.world_size
        return Shards(self.batching.shards or ranks, self.trainer.global_rank, ranks)

    def train_dataloader(self) -> MeasuredLoader:
        """Goes on after the batches that the trainer has taken, as its checkpoint tells."""
        assert self.trainer is not None
        items, shards = self._items("train"), self.shards
        self.training_items = items
        blocks = {task: blocks_of(examples) for task, examples in items.examples.items()}
        rounds = Rounds(blocks, seed=self.seed, shards=shards.total)
        stream = self.batching.stream(
            rounds,
            shares=self.mixture.shares(items.sizes),
            means=mean_entries(items),
            entries=self.batching.entries,
        )
        batches = TrainingBatches(items, stream, self._collation(items), shards, seed=self.seed)
        first = self.trainer.global_step * self.trainer.accumulate_grad_batches
        workers = self.batching.workers
        return MeasuredLoader(
            batches,
            batch_size=None,
            sampler=CountingSampler(first),
            num_workers=workers,
            # A window ahead: opening one reads the examples of all its batches.
            prefetch_factor=max(2, BATCHES_A_WINDOW // workers) if workers else None,
            worker_init_fn=ignore_in_worker if workers else None,
            collate_fn=pack if workers else None,  # type: ignore[arg-type]  # batch_size None: of one, no list
        )

    def val_dataloader(self) -> DataLoader[Batch]:
        return self._evaluation("validation")

    def test_dataloader(self) -> DataLoader[Batch]:
        return self._evaluation("test")

    def transfer_batch_to_device(self, batch: Batch, device: Any, dataloader_idx: int) -> Batch:
        return batch.to(device)

    def _evaluation(self, split: str) -> DataLoader[Batch]:
        assert self.trainer is not None
        items = self._items(split)
        batches = EvaluationBatches(
            items,
            self._collation(items),
            most=self.num_validation,
            rank=self.trainer.global_rank,
            ranks=self.trainer.world_size,
        )
        return DataLoader(batches, batch_size=None)

    def _items(self, split: str) -> Items:
        """Of the tasks that can be had here; one line says which are left out."""
        examples: dict[str, Sequence[Example]] = {}
        for name, task in self.tasks.items():
            try:
                examples[name] = task.examples(split)
            except TaskUnavailable as problem:
                rank_zero_info(f"task {name} is left out: {problem}")
            else:
                if not examples[name]:
                    raise ValueError(f"data.tasks.{name}: has no examples for {split}")
        if not examples:
            raise ValueError("data.tasks: none of them can be had here")
        memory = self.batching.memory // max(1, self.batching.workers)  # each worker keeps its own
        return Items(self.tasks, examples=examples, processor=self.processor, memory=memory)

    def _collation(self, items: Items) -> Collation:
        model = self._model()
        return Collation(
            self.batching.bucketing,
            packer=self.batching.packer,
            arrangement=model.arrangement,
            kinds=model.kinds,
            entries=self.batching.entries,
            longest=self.batching.longest,
            stand_ins=shortest(items) if self.uniform else (),
        )

    def _model(self) -> UnimodalForConditionalGeneration:
        assert self.trainer is not None
        model = self.trainer.lightning_module.model
        assert isinstance(model, UnimodalForConditionalGeneration)
        return model

    def _processor(self) -> UnimodalProcessor:
        assert self.trainer is not None
        model = self._model()
        folder = Path(model.config._name_or_path)  # where from_pretrained found it; "" for a model made anew
        if (folder / SPEC_FILE).is_file():
            return UnimodalProcessor.from_pretrained(folder)
        file = self.pieces or Path(self.trainer.default_root_dir) / PIECES_FILE
        return UnimodalProcessor(model.config.processors or {}, prepare(file, model.vocabulary, self.texts))


def _of(part: type, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"class": f"{part.__module__}.{part.__qualname__}", **arguments}


def _task_spec(name: str, overlay: Mapping[str, Any] | None) -> dict[str, Any]:
    if overlay is not None and "class" in overlay:
        return dict(overlay)
    return merge_specs(task_spec(check_task(name)), overlay or {})
