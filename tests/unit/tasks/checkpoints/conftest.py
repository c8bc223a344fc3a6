"""Folders of tiny random checkpoints with trained tokenizers, as their own projects save them; the command to ask."""

import inspect
import json
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sentencepiece
import torch
from transformers import GenerationConfig, PreTrainedModel

from tests.parity.case import randomise
from unimodal import cli

Ask = Callable[..., tuple[int, str, str]]
Save = Callable[..., Path]


@pytest.fixture(scope="session")
def sentence_pieces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small unigram model of English: <unk>, <s>, </s>, then pieces."""
    folder = tmp_path_factory.mktemp("pieces")
    (folder / "text.txt").write_text(inspect.getsource(textwrap))
    sentencepiece.SentencePieceTrainer.train(
        input=str(folder / "text.txt"), model_prefix=str(folder / "u"), vocab_size=200, minloglevel=2
    )
    return folder / "u.model"


@pytest.fixture(scope="session")
def scored_pieces(sentence_pieces: Path) -> list[tuple[str, float]]:
    """The pieces behind the special ones, with their scores."""
    processor = sentencepiece.SentencePieceProcessor(model_file=str(sentence_pieces))
    return [(processor.id_to_piece(i), processor.get_score(i)) for i in range(3, processor.get_piece_size())]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes a model with random weights and what stands beside it; `config` is put over its config.json."""

    def write(model: PreTrainedModel, *beside: Any, config: dict[str, Any] | None = None, **generation: Any) -> Path:
        folder = tmp_path / "checkpoint"
        torch.manual_seed(7)
        randomise(model)
        if generation:
            settings = {**model.generation_config.to_diff_dict(), **generation, "_from_model_config": False}
            model.generation_config = GenerationConfig(**settings)
        model.save_pretrained(folder)
        for part in beside:
            part.save_pretrained(folder)
        file = folder / "config.json"
        file.write_text(json.dumps({**json.loads(file.read_text()), **(config or {})}))
        return folder

    return write


@pytest.fixture
def ask(capsys: pytest.CaptureFixture[str]) -> Ask:
    """Runs `unimodal`: (status, stdout, stderr)."""

    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def text(tmp_path: Path) -> Path:
    """A text of one sentence."""
    (tmp_path / "text.txt").write_text("The lines are wrapped into a paragraph.\n")
    return tmp_path / "text.txt"
