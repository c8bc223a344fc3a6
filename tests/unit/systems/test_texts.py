"""The texts of miniature language models: splits that share no file, ids that stand for bytes."""

import pytest
import torch

from unimodal.systems.texts import (
    FIRST_BYTE,
    NUM_TOKENS,
    draw_windows,
    library_text,
    spread_windows,
    text_of,
    tokens_of,
    topics_text,
)


@pytest.mark.parametrize("text", [library_text, topics_text])
def test_splits_share_no_text_and_most_is_for_training(text) -> None:
    parts = {split: text(split) for split in ("train", "validation", "test")}
    assert len(parts["train"]) > 2 * len(parts["validation"]) > 0 < len(parts["test"])
    long = [line for line in parts["test"].splitlines() if len(line) > 70][:200]
    shared = sum(line in parts["train"] for line in long)
    assert shared < len(long) / 10, "licences are repeated, but no more"


def test_it_is_source_text_and_the_other_is_prose() -> None:
    assert library_text("train").count(b"def ") > 5000 > topics_text("train").count(b"def ")


def test_ids_stand_for_bytes() -> None:
    every = bytes(range(256))
    tokens = tokens_of(every)
    assert (tokens.min(), tokens.max()) == (FIRST_BYTE, NUM_TOKENS - 1)
    assert text_of(tokens) == every
    assert text_of(torch.tensor([0, 1, FIRST_BYTE + 65])) == b"A"


def test_windows_lie_in_the_text() -> None:
    tokens = torch.arange(50)
    drawn = draw_windows(tokens, 500, 7, torch.Generator().manual_seed(0))
    assert torch.equal(drawn - drawn[:, :1], torch.arange(7).expand(500, 7))
    assert set(drawn[:, 0].tolist()) == set(range(44))
    spread = spread_windows(tokens, 3, 10)
    assert spread[:, 0].tolist() == [0, 20, 40] and torch.equal(spread, spread_windows(tokens, 3, 10))
