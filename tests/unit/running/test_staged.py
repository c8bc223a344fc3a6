"""Answers in two stages: as if each were asked alone, from one encoding, whatever a model has learned."""

from dataclasses import replace
from pathlib import Path
from random import Random

import pytest
import torch
from PIL import Image

from unimodal.batching import Arrangement, EncoderDecoder, Packed, Packer, Padded
from unimodal.catalogue import build_task
from unimodal.codecs.spotting import SpottedWord
from unimodal.decoding.generate import Decoding
from unimodal.loading.own import Unimodal
from unimodal.measuring.flops import ModelFlops
from unimodal.objectives import learn
from unimodal.objectives.cross_entropy import CrossEntropy
from unimodal.outputs import OwnDecoders, TaggedAnswers
from unimodal.running import staged
from unimodal.samplers.greedy import Greedy
from unimodal.task import Example
from unimodal.tasks.spotting import Spotting, Window
from unimodal.training.data.batches import Collation
from unimodal.training.data.bucketings.mixed import Mixed
from unimodal.training.data.items import lengths, nbytes

DECODING = Decoding(Greedy(), limit=36)


@pytest.fixture
def model(documents: Unimodal) -> Unimodal:
    return documents


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


def spotted(example: Example, chance: Random) -> Example:
    """With some words in it, of which nothing can be seen."""
    outlines = [tuple((chance.random(), chance.random()) for _ in range(16)) for _ in range(chance.randint(3, 6))]
    words = [SpottedWord(str(chance.randrange(10_000)), outline) for outline in outlines]
    return replace(example, key=f"{example.key}#0", answer=words)


@pytest.mark.parametrize("packer", [Padded(), Packed(source=200, target=150)], ids=["padded", "packed"])
def test_what_is_asked_of_one_source_is_learned_as_if_each_were_asked_alone(model: Unimodal, packer: Packer) -> None:
    task, chance = spotting(model), Random(5)
    assert task.staged is not None
    examples = [spotted(example, chance) for example in pictures(3)]
    net, arrangement = model.model, model.model.arrangement
    objective = CrossEntropy(smoothing=0.0)
    together = arrangement.batch([model.processor.example(task, example) for example in examples], packer, net.kinds)
    lessons = [lesson for example in examples for lesson in task.staged.lessons(example)]
    each = [model.processor.example(part, question) for part, question in lessons]
    alone = arrangement.batch(each, Padded(), net.kinds)
    assert together.source is not None and alone.source is not None
    assert len(together.source.pieces["image"].entries) == 3 < len(alone.source.pieces["image"].entries)
    assert together.tasks == alone.tasks == tuple(part.name for part, _ in lessons)
    assert {*together.tasks} == {"word_points", "word_text", "word_outline"}
    with torch.no_grad():
        one, other = (learn(net, objective, batch)["cross_entropy"] for batch in (together, alone))
    assert torch.allclose(one.loss, other.loss, atol=1e-9) and one.has_target.all()
    assert one.loss.std() > 0.01
    costs = ModelFlops.of(net)
    saved = alone.source.layout.valid.sum() - together.source.layout.valid.sum()
    assert saved > 0 and costs.forward(alone) - costs.forward(together) == pytest.approx(costs.read * float(saved))


def test_an_example_of_several_questions_counts_as_all_of_them(model: Unimodal) -> None:
    task, chance = spotting(model), Random(7)
    assert task.staged is not None
    example = spotted(pictures(1)[0], chance)
    item = model.processor.example(task, example)
    parts = [model.processor.example(part, question) for part, question in task.staged.lessons(example)]
    shared = item.prompt[1].positions
    assert sum(lengths(item)) == sum(sum(lengths(part)) for part in parts) - shared * (len(parts) - 1)
    assert nbytes(item) < sum(map(nbytes, parts))
    kinds = {**model.model.kinds}
    collation = Collation(
        Mixed(),
        packer=Padded(),
        arrangement=model.model.arrangement,
        kinds=kinds,
        entries=1,
        longest=1,
        stand_ins=[item],
    )
    batch = collation.batch([parts[1]])
    assert batch.num_stand_ins == len(parts) and batch.num_examples == len(parts) + 1
    assert batch.num_entries == sum(lengths(parts[1]))


def test_several_questions_need_a_decoder_that_is_told_them(model: Unimodal) -> None:
    item = model.processor.example(spotting(model), spotted(pictures(1)[0], Random(0)))
    arrangements: list[tuple[Arrangement, str]] = [
        (EncoderDecoder(), "EncoderDecoder cannot ask word_points several things of one source"),
        (OwnDecoders({}), "OwnDecoders cannot ask"),
        (TaggedAnswers(), "told: a decoder is not told of prompt, which word_text names"),
    ]
    for arrangement, message in arrangements:
        with pytest.raises(ValueError, match=message):
            arrangement.batch([item], Padded(), model.model.kinds)


def test_it_is_found_by_name_and_not_streamed(model: Unimodal, tmp_path: Path) -> None:
    task = model.task("spotting")
    (example,) = pictures(1)
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
