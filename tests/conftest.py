"""The two knobs of the tests: `--device cuda` and `--slow`. Shapes are checked everywhere (see pyproject's addopts)."""

import argparse
import inspect
import json
import statistics
import textwrap
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import pytest
import torch

from unimodal.tasks.corpora import CorpusUnavailable
from unimodal.tasks.corpora.made import MadeSpeech
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--device", default="cpu", help="torch device that the tests of models run on")
    parser.addoption("--slow", action="store_true", help="also run the tests that take more than a few seconds")


def pytest_configure(config: pytest.Config) -> None:
    # One thread a worker: the workers of pytest-xdist are the parallelism.
    torch.set_num_threads(1)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--device"))


@pytest.fixture(autouse=True)
def _seed() -> None:
    """Every test starts from the same random state, whichever worker runs it."""
    torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def _no_hour_of_speech_is_made() -> Iterator[None]:
    """Speech that takes a quarter of an hour to make is read where `make data` has made it, and skipped elsewhere."""

    def unavailable(*, cache: Path | None = None) -> None:
        raise CorpusUnavailable("made speech is not in the cache; `make data` makes it")

    with pytest.MonkeyPatch.context() as patch:
        if not MadeSpeech().is_cached():
            patch.setattr("unimodal.tasks.speakers.MadeSpeech", unavailable)
        yield


@pytest.fixture(scope="session")
def pieces(tmp_path_factory: pytest.TempPathFactory) -> TextPieces:
    """512 text pieces learned from the standard library's own words."""
    texts = [inspect.getsource(module) for module in (argparse, json, statistics, textwrap)]
    texts.append(inspect.getsource(Fraction))
    return TextPieces.train(texts, 512, tmp_path_factory.mktemp("pieces") / "tokenizer.model")


@pytest.fixture(scope="session")
def space() -> TokenSpace:
    """A small vocabulary with every kind of range."""
    return TokenSpace(
        [
            {"text": 512},
            {"task": ["asr", "tts", "caption", "translate"]},
            {"loc": 20},
            {"time": 10},
            {"unit": 40},
            {"table": ["row", "cell", "header"]},
            {"sentinel": 5},
            {"field": ["/", "name", "price", "items"]},
            {"grid": ["cell", "header", "left", "up", "cross", "row"]},
        ]
    )


@pytest.fixture(scope="session")
def vocabulary(space: TokenSpace, pieces: TextPieces) -> Vocabulary:
    return Vocabulary(space, pieces)
