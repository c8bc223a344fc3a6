"""Held-out evaluation: a model's answers beside those of the best trivial baseline, on the same examples."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from random import Random
from typing import Any, final

import torch

from unimodal.batching import Item
from unimodal.decoding.generate import Decoding
from unimodal.loading.own import Unimodal
from unimodal.measuring.intervals import bootstrap_interval
from unimodal.task import Example, Task

FEWEST = 50
"""Examples that are answered however long it takes: fewer make no number."""
ROUND = 64
"""Examples that are sorted by length together before they are decoded in batches."""
MADE = {"frames": "speech"}
"""What people call what a post-net writes."""


@final
@dataclass(frozen=True, eq=False)
class Sample:
    """One held-out example and the model's answer to it."""

    example: Example
    prediction: object


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """A model's score on a task, beside the best answer that needs no model."""

    task: str
    modality: str
    metric: str
    value: float
    baseline_value: float
    baseline_name: str
    higher_is_better: bool
    n_test: int
    samples: tuple[Sample, ...]
    seconds: float
    interval: tuple[float, float]
    """95 % limits of the value, by a bootstrap over the examples."""

    @property
    def beats_baseline(self) -> bool:
        """Whether the model is strictly better."""
        return self.is_better(self.value, self.baseline_value)

    def is_better(self, first: float, second: float) -> bool:
        """Whether the first score is strictly better than the second."""
        return first > second if self.higher_is_better else first < second

    def row(self) -> dict[str, object]:
        """What `metrics.json` holds of it."""
        return {
            "task": self.task,
            "modality": self.modality,
            "metric": self.metric,
            "value": self.value,
            "interval": list(self.interval),
            "baseline_value": self.baseline_value,
            "higher_is_better": self.higher_is_better,
            "n_test": self.n_test,
            "baseline": self.baseline_name,
            "seconds": round(self.seconds, 1),
        }


def evaluate(
    model: Unimodal,
    task: Task,
    *,
    split: str = "test",
    limit: int | None = None,
    seconds: float = float("inf"),
    decoding: str | Mapping[str, Any] | Decoding | None = None,
    batch_size: int = 16,
    num_samples: int = 8,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Evaluation:
    """Answers `limit` examples of a split, always the same ones, and scores them; the split is never `train`.

    After `seconds` no new round of examples is begun, once 50 are answered. `progress` hears (answered, of how many).
    Raises ValueError for the training split and for a split without examples.
    """
    if split == "train":
        raise ValueError("split: a model is not evaluated on its training examples; choose validation or test")
    began, decoding = time.perf_counter(), model.decoding(decoding)
    examples = _chosen(task.examples(split), limit)
    if not examples:
        raise ValueError(f"split: the task {task.name} has no {split} examples")
    predictions: list[object] = []
    torch.manual_seed(0)  # what is drawn (a sampler's tokens, a pre-net's noise) is the same every time
    for start in range(0, len(examples), ROUND):
        if start >= FEWEST and time.perf_counter() - began > seconds:
            break
        predictions += _answers(model, task, examples[start : start + ROUND], decoding, batch_size)
        progress(len(predictions), len(examples))
    examples = examples[: len(predictions)]
    references = [example.answer for example in examples]
    name, baseline_value = best_trivial(task, examples)
    tally = task.metric.tally(predictions, references)
    return Evaluation(
        task=task.name,
        modality=task.reads[0] if task.codec is not None else MADE.get(task.writes, task.writes),
        metric=task.metric.name,
        value=task.metric.score(tally),
        baseline_value=baseline_value,
        baseline_name=name,
        higher_is_better=task.metric.higher_is_better,
        n_test=len(examples),
        samples=tuple(map(Sample, examples[:num_samples], predictions)),
        seconds=time.perf_counter() - began,
        interval=bootstrap_interval(task.metric, tally),
    )


def best_trivial(task: Task, examples: Sequence[Example]) -> tuple[str, float]:
    """(name, score) of the task's strongest trivial answer on some examples; it knows the training split alone."""
    references = [example.answer for example in examples]
    baselines = task.trivial(task.examples("train"))
    scores = {
        name: task.metric([answer(example) for example in examples], references) for name, answer in baselines.items()
    }
    best = max if task.metric.higher_is_better else min
    name = best(scores, key=scores.__getitem__)
    return name, scores[name]


def _chosen(examples: Sequence[Example], limit: int | None) -> list[Example]:
    """`limit` examples in an order that is random and always the same, so that its beginning is a fair sample too."""
    order = Random(0).sample(range(len(examples)), len(examples))
    return [examples[place] for place in order[:limit]]


def _answers(
    model: Unimodal, task: Task, examples: Sequence[Example], decoding: Decoding, batch_size: int
) -> list[object]:
    """The predictions in the order of the examples, decoded in batches of like lengths."""
    items = [model.processor.prompt(task, example) for example in examples]
    order = sorted(range(len(items)), key=lambda place: _length(items[place]))
    found: dict[int, object] = {}
    for start in range(0, len(order), batch_size):
        places = order[start : start + batch_size]
        results = model.answer_items(task, [items[place] for place in places], decoding=decoding)
        found |= {place: result.value for place, result in zip(places, results, strict=True)}
    return [found[place] for place in range(len(items))]


def _length(item: Item) -> int:
    return sum(piece.positions for piece in item.prompt)
