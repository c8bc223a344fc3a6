"""Evaluation answers to held-out examples only, always the same ones, and puts the strongest trivial answer beside."""

from collections.abc import Sequence
from pathlib import Path
from typing import final

import pytest
import torch

from unimodal.codecs.text import TextCodec
from unimodal.loading.own import Unimodal
from unimodal.measuring.evaluate import FEWEST, evaluate
from unimodal.task import Baseline, Example, Schema, Task
from unimodal.tasks.metrics.match import ExactMatch
from unimodal.vocabulary import Vocabulary

DECODING = {"sampler": "unimodal.samplers.greedy.Greedy", "limit": 4}


@final
class Echo(Task):
    """Says what the tiny model would say, or something else: how often it is right is known beforehand."""

    name = "translate_fr"
    reads = ("text",)
    writes = "text"
    metric = ExactMatch()

    def __init__(self, vocabulary: Vocabulary, answers: dict[str, str]) -> None:
        self.codec_, self.answers, self.asked = TextCodec(vocabulary), answers, list[str]()

    @property
    def codec(self) -> TextCodec:
        return self.codec_

    @property
    def schema(self) -> Schema:
        raise AssertionError

    def examples(self, split: str) -> Sequence[Example]:
        self.asked.append(split)
        return [Example(f"{split}#{text}", {"text": text}, answer) for text, answer in self.answers.items()]

    def prompt(self, example: Example) -> list[tuple[str, object]]:
        return [("text", example.inputs["text"])]

    def read(self, paths: Sequence[Path], prompt: str | None = None) -> list[Example]:
        raise AssertionError

    def trivial(self, train: Sequence[Example]) -> dict[str, Baseline]:
        assert all(example.group == "train" for example in train)
        return {"never": lambda example: "", "copy": lambda example: example.inputs["text"]}


@pytest.fixture(scope="module")
def task(tiny: Unimodal) -> Echo:
    """80 texts of unlike lengths: three in four are answered as the model does, one in eight by a copy."""
    texts = ["word " * (1 + i % 7) + str(i) for i in range(80)]
    task = Echo(tiny.processor.vocabulary, dict.fromkeys(texts, ""))
    for i, example in enumerate(task.examples("test")):
        (said,) = tiny.answer(task, [example], decoding=DECODING)
        text = str(example.inputs["text"])
        task.answers[text] = said.text if i % 4 else text if i % 8 else "wrong"
    return task


def test_the_score_is_that_of_answers_given_one_by_one(tiny: Unimodal, task: Echo) -> None:
    found = evaluate(tiny, task, decoding=DECODING, batch_size=7, num_samples=5)
    test, baselines = task.examples("test"), task.trivial(task.examples("train"))
    truth = [example.answer for example in test]
    scores = {name: task.metric([one(example) for example in test], truth) for name, one in baselines.items()}
    assert (found.value, found.n_test, found.baseline_value) == (0.75, 80, max(scores.values()))
    assert scores[found.baseline_name] == found.baseline_value
    assert found.beats_baseline and found.higher_is_better and found.modality == "text"
    # Of a share q of n: q (1 - q) / n is the variance, and 1.96 of its roots are the limits.
    reach = 1.96 * (0.75 * 0.25 / 80) ** 0.5
    assert found.interval == pytest.approx((0.75 - reach, 0.75 + reach), abs=0.02)
    for sample in found.samples:
        (alone,) = tiny.answer(task, [sample.example], decoding=DECODING)
        assert alone.value == sample.prediction
    assert len(found.samples) == 5


def test_a_limit_takes_always_the_same_examples(tiny: Unimodal, task: Echo) -> None:
    few = evaluate(tiny, task, decoding=DECODING, limit=6, num_samples=6)
    more = evaluate(tiny, task, decoding=DECODING, limit=12, num_samples=12)
    keys = [sample.example.key for sample in more.samples]
    assert [sample.example.key for sample in few.samples] == keys[:6] and keys != sorted(keys)
    torch.manual_seed(5)
    assert evaluate(tiny, task, decoding=DECODING, limit=6).value == few.value


def test_time_ends_an_evaluation_not_before_fifty_examples(tiny: Unimodal, task: Echo) -> None:
    found = evaluate(tiny, task, decoding=DECODING, seconds=0)
    assert FEWEST <= found.n_test < 80


def test_training_examples_are_refused(tiny: Unimodal, task: Echo) -> None:
    task.asked.clear()
    with pytest.raises(ValueError, match="not evaluated on its training examples"):
        evaluate(tiny, task, split="train")
    assert task.asked == []
    with pytest.raises(ValueError, match="the task translate_fr has no test examples"):
        evaluate(tiny, Echo(tiny.processor.vocabulary, {}))


def test_a_row_holds_what_the_demo_promises(tiny: Unimodal, task: Echo) -> None:
    row = evaluate(tiny, task, decoding=DECODING, limit=8).row()
    promised = {"task", "modality", "metric", "value", "baseline_value", "higher_is_better", "n_test", "interval"}
    assert promised <= set(row) and row["n_test"] == 8
