"""Answers in two stages: as if each were asked alone, from one encoding, whatever a model has learned."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from unimodal.catalogue import build_task
from unimodal.codecs.spotting import SpottedWord
from unimodal.config import UnimodalConfig
from unimodal.decoding.generate import Decoding
from unimodal.loading.own import Unimodal
from unimodal.model import UnimodalForConditionalGeneration
from unimodal.processor import UnimodalProcessor
from unimodal.running import staged
from unimodal.samplers.greedy import Greedy
from unimodal.spec import load_spec
from unimodal.task import Example
from unimodal.tasks.spotting import Spotting, Window
from unimodal.vocabulary import TextPieces, TokenSpace, Vocabulary

CONFIG = Path(__file__).parents[3] / "configs" / "models" / "documents.yaml"
DECODING = Decoding(Greedy(), limit=36)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Unimodal:
    """Not taught: what it says follows from its grammar and from chance."""
    config = load_spec(CONFIG)
    pieces = TextPieces.train(["0 1 2 3 4 5 6 7 8 9 all of them"] * 20, 280, tmp_path_factory.mktemp("p") / "p.model")
    ranges: list[dict[str, Any]] = [{"text": len(pieces)}, *config["spec"]["vocabulary"]["ranges"][1:]]
    config["spec"]["vocabulary"]["ranges"] = ranges
    torch.manual_seed(0)
    made = UnimodalForConditionalGeneration(UnimodalConfig(**config)).double().eval()
    return Unimodal(made, UnimodalProcessor(config["processors"], Vocabulary(TokenSpace(ranges), pieces)))


def pictures(num: int) -> list[Example]:
    generator = torch.Generator().manual_seed(3)
    sizes = [(48, 64), (64, 64), (40, 88)]
    shown = [torch.rand(3, *sizes[i % 3], generator=generator, dtype=torch.double) for i in range(num)]
    return [Example(str(i), {"image": picture}) for i, picture in enumerate(shown)]


def spotting(model: Unimodal) -> Spotting:
    task = build_task("spotting", model.processor.vocabulary)
    assert isinstance(task, Spotting)
    return task


def one_by_one(model: Unimodal, example: Example, most: int) -> list[SpottedWord]:
    """The first places, each asked about alone, through the tasks themselves."""
    places, outline, text = (model.task(name) for name in ("word_points", "word_outline", "word_text"))
    (points,) = (found.value for found in model.answer(places, [example], decoding=DECODING))
    assert isinstance(points, list) and len(points) > most
    words = []
    for point in points[:most]:
        asked = [Example(example.key, {**example.inputs, "place": point})]
        (drawn,), (said,) = (model.answer(task, asked, decoding=DECODING) for task in (outline, text))
        words.append(SpottedWord(str(said.value), tuple(drawn.value)))  # type: ignore[arg-type]  # points
    return [word for word in words if word.text]


def test_both_stages_are_what_the_tasks_say_alone(model: Unimodal, monkeypatch: pytest.MonkeyPatch) -> None:
    examples, read = pictures(2), list[int]()
    net = model.model.prenet("image")
    embed = net.embed
    monkeypatch.setattr(net, "embed", lambda *given: (read.append(len(given[1])), embed(*given))[1])
    found = model.answer(spotting(model), examples, decoding=DECODING)
    assert read == [2], "every picture is read once"
    for example, result in zip(examples, found, strict=True):
        words = one_by_one(model, example, 2)
        assert words and result.value[: len(words)] == words  # type: ignore[index]  # a list of words
        assert result.task == "spotting" and result.score is not None and result.score < 0


def test_how_many_places_are_asked_about_at_once_changes_nothing(
    model: Unimodal, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = model.answer(spotting(model), pictures(2), decoding=DECODING)
    monkeypatch.setattr(staged, "ROWS", 7)
    parts = model.answer(spotting(model), pictures(2), decoding=DECODING)
    assert [result.value for result in parts] == [result.value for result in whole]
    assert [result.tokens for result in parts] == [result.tokens for result in whole]


def test_pictures_without_words_have_an_empty_answer(model: Unimodal, monkeypatch: pytest.MonkeyPatch) -> None:
    task = spotting(model)
    assert task.staged is not None
    blind = replace(task.staged, places=lambda points: [])
    items = model.items(task, pictures(2))
    found = staged.answer_in_stages(model, task, blind, items, Decoding(Greedy(), limit=4))
    assert [result.value for result in found] == [[], []]
    assert staged.answer_in_stages(model, task, task.staged, [], DECODING) == []


def test_it_is_found_by_name_and_neither_taught_nor_streamed(model: Unimodal, tmp_path: Path) -> None:
    task = model.task("spotting")
    (example,) = pictures(1)
    with pytest.raises(ValueError, match="spotting: is answered in stages, so word_points, word_outline, word_text"):
        model.processor.example(task, example)
    with pytest.raises(ValueError, match="spotting: does not stream, for it writes in stages"):
        model.stream(task, model.items(task, [example])[0])
    picture = tmp_path / "page.png"
    Image.new("RGB", (64, 48), "white").save(picture)
    work = model.prepare("spotting", [picture])
    assert work.stream(0, DECODING) is None
    (result,) = model.run("spotting", picture, decoding=DECODING)
    assert all(isinstance(word, SpottedWord) and len(word.outline) == 16 for word in result.value)


@pytest.mark.parametrize(
    "box", [(0.5, 0.1, 0.5, 0.9), (0.7, 0.1, 0.5, 0.9), (0.1, 0.9, 0.5, 0.2), (-0.1, 0, 1, 1), (0, 0, 1, 1.1)]
)
def test_a_window_that_is_none_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(ValueError, match="^window: expected left < right and top < bottom between 0 and 1, not "):
        Window(*box, "0", "9")
