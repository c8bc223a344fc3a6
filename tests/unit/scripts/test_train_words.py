"""Two stages beside one sequence: the same steps, and scores that count what they say."""

from pathlib import Path

import pytest
import torch

from scripts import train_words
from scripts.train_words import ARMS, Runs, score, serial_steps
from unimodal.decoding.generate import Decoding
from unimodal.loading.own import Unimodal
from unimodal.samplers.greedy import Greedy
from unimodal.task import Example
from unimodal.tasks.corpora import CorpusUnavailable


def test_both_arms_take_as_many_steps_as_large(tmp_path: Path) -> None:
    configs = Runs(tmp_path, arms=[*ARMS], steps=300, limit=2).configs.values()
    assert {config["trainer"]["max_steps"] for config in configs} == {300}
    for place in ("optimizer", "schedule", "source"):
        first, second = (config["model"][place] for config in configs)
        assert first == second
    assert len({config["data"]["batching"]["entries"] for config in configs}) == 1


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not taught goes on as long as it may."""
    monkeypatch.setattr(train_words, "GREEDY", Decoding(Greedy(), limit=40))


def test_steps_are_passes_of_the_decoder(documents: Unimodal) -> None:
    example = Example("a#0", {"image": torch.rand(3, 48, 64, dtype=torch.double)})
    task = documents.task("spotting_interleaved")
    (answer,) = documents.answer(task, [example], decoding=train_words.GREEDY)
    assert serial_steps(documents, task, example) == len(answer.tokens)


def test_an_untaught_model_has_scores(documents: Unimodal) -> None:
    try:
        found = score(documents, "spotting", limit=1)
    except CorpusUnavailable as problem:
        pytest.skip(str(problem))
    assert found["end-to-end F1"] == 0.0 and 0 <= found["inside the window"] <= 1 and found["places"] > 0
