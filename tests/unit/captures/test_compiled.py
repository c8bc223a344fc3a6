"""Compiled passes: the same tokens, from disk in the next process, with the weights as they are now."""

from pathlib import Path

import pytest
import torch

from tests.laws.decoding import items, random_model
from unimodal.captures import compiled, recording
from unimodal.captures.compiled import Compiled
from unimodal.decoding.generate import Decoding, Prompt, write_tokens
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.precision.dtypes import quantize
from unimodal.rewrites import Rewrite
from unimodal.rewrites.joined import Joined
from unimodal.rewrites.reordered import Reordered
from unimodal.samplers.beam import Beam
from unimodal.samplers.greedy import Greedy

LIMIT = 40
"""Tokens of an answer: more than a window of slots."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the one model of this file is compiled, once."""
    return tmp_path_factory.mktemp("compiled")


@pytest.fixture(autouse=True)
def _new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered of models that were compiled before."""
    monkeypatch.setattr(compiled, "_MADE", type(compiled._MADE)())


def tokens(
    model: UnimodalForConditionalGeneration,
    capture: Compiled | None,
    *lengths: int,
    width: int = 1,
    limit: int = LIMIT,
    ends: tuple[int, ...] = (),
) -> list[tuple[int, ...]]:
    torch.manual_seed(1)
    sampler = Greedy() if width == 1 else Beam(width)
    decoding = Decoding(sampler, capture=capture, limit=limit)
    answers = write_tokens(model, Prompt.of(model, items(model, *lengths)), decoding, ends=ends)
    return [hypothesis.tokens for answer in answers for hypothesis in answer]


def test_answers_are_the_same_and_are_compiled_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("t5", 0)
    expected = [tokens(model, None, length) for length in (5, 9)]
    # What is compiled for a step that reads all slots there are serves those that do not.
    assert tokens(model, Compiled(folder=str(folder)), 5, limit=8) == [expected[0][0][:8]]
    assert [tokens(model, Compiled(folder=str(folder)), length) for length in (5, 9)] == expected
    packages = [*folder.glob("*.pt2")]
    assert len(packages) == 2, "a pass and a head"
    assert all(package.stat().st_size < 8 * 2**20 for package in packages), "weights are not in them"

    monkeypatch.setattr(recording, "_export", None)
    again = random_model("t5", 0)
    assert tokens(again, Compiled(folder=str(folder)), 5) == expected[0]

    # Weights may change in place, or others may come in their place.
    capture = Compiled(folder=str(folder))
    for change in (lambda weight: weight.data.mul_(-1), lambda weight: setattr(weight, "data", weight.data.flip(0))):
        before = tokens(again, capture, 5)
        change(again.embedding.weight)
        after = tokens(again, capture, 5)
        assert after == tokens(again, None, 5) != before


@pytest.mark.parametrize(
    ("numbers", "rewrites", "width"), [("float32", (Joined, Reordered), 1), ("int8", (Joined,), 2)]
)
def test_products_of_several_rows_are_a_librarys(
    numbers: str, rewrites: tuple[type[Rewrite], ...], width: int, folder: Path
) -> None:
    """Also while rows end one after the other, and for a second model with other weights at the same time."""
    models = [random_model("t5", seed).float() for seed in (0, 1)]
    for model in models:
        if numbers == "int8":
            quantize(model)
        for rewrite in rewrites:
            rewrite().apply(model)
    capture, before = Compiled(folder=str(folder)), len([*folder.glob("*.pt2")])
    for model in (*models, models[0]):
        ends = (tokens(model, None, 5, 9, 7)[1][2],)
        expected = tokens(model, None, 5, 9, 7, width=width, ends=ends)
        assert tokens(model, capture, 5, 9, 7, width=width, ends=ends) == expected
    assert len([*folder.glob("*.pt2")]) >= before + 2, "a pass and a head"


def test_what_cannot_be_done_is_said_in_a_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = random_model("prefix_decoder", 0)
    monkeypatch.setenv("CXX", "no-such-compiler")
    with pytest.raises(ValueError, match="C\\+\\+ compiler no-such-compiler, which is not installed"):
        tokens(model, Compiled(folder=str(tmp_path / "new")), 5)

    (tmp_path / "shared").mkdir()
    (tmp_path / "shared").chmod(0o777)
    with pytest.raises(ValueError, match="shared can be written by others"):
        tokens(model, Compiled(folder=str(tmp_path / "shared")), 5)

    quantized = random_model("t5", 0)
    quantize(quantized, "unimodal.quantizations.int4.Int4")
    with pytest.raises(ValueError, match="weights in four bits cannot be compiled"):
        tokens(quantized, Compiled(folder=str(folder)), 5)

    model.backbone.decoder.blocks[0].mixer.query = Foreign(4, 4)
    with pytest.raises(ValueError, match="query is a .*Foreign, which is not compiled"):
        tokens(model, Compiled(folder=str(folder)), 5)


class Foreign(torch.nn.Linear):
    """As an adapter's map: no config knows of it."""
