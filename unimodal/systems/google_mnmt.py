"""Evidence for one translator of many languages (Johnson et al. 2017, 1611.04558): a tag names the language written.

The tag is `Task.tag`, its place `unimodal.processor`; tags are mixed by the net `tag`; pairs are sampled by
`unimodal.training.data.mixtures.temperature`.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import cache
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from unimodal.batching import Item
from unimodal.caches.once import Once
from unimodal.decoding.generate import Prompt, write_tokens
from unimodal.loading.own import Unimodal
from unimodal.measuring.measure import Claim, Meter
from unimodal.systems import Invariant, System
from unimodal.systems.fixtures.translators import (
    ENGLISH,
    SHORT,
    Direction,
    Languages,
    Lessons,
    Translate,
    centric,
    score,
    sentences,
    teach,
    text_pieces,
    translate,
    translator,
)
from unimodal.systems.texts import topics_text
from unimodal.task import Example
from unimodal.training.data.mixtures.temperature import Temperature
from unimodal.training.data.rounds import Rounds
from unimodal.training.data.streams.mixed import MixedStream
from unimodal.vocabulary import TextPieces

LARGE, SMALL = ("el", "es", "he", "ru"), "gl"
"""Four scripts: between German, French and Spanish a copy of the source scores 18 to 26 chrF already."""
LANGUAGES = (*LARGE, SMALL)
UNTAUGHT = tuple(map(Direction, LARGE, (*LARGE[1:], LARGE[0])))
"""One direction from and one into each large language."""
STEPS, ADAPTING = 1200, 120
DIRECT_SHARE = 0.05
SENTENCES = 100
"""Of the test, for each direction."""


@final
class MultilingualTranslation(System):
    """The invariants are of untrained models; what only trained ones show is measured with the claim."""

    def invariants(self) -> Iterable[Invariant]:
        return (
            Invariant("parameters are those of a single pair, and a row for each further tag", _counts_parameters),
            Invariant("the encoder reads the tag first, the decoder never", _places_the_tag),
            Invariant("nothing tells the source language", _hides_the_source),
            Invariant("mixed tags with all weight on one are that tag, to the bit", _mixes_tags),
            Invariant("targets in one batch are what each is alone", _batches_targets),
            Invariant("a target that was never taught is an error", _refuses_the_untaught),
            Invariant("pairs are drawn by their size to the sampling exponent", _samples_pairs),
        )

    def claim(self) -> Claim:
        """Untaught directions' chrF over twice the copy's or the best constant answer's, whichever is higher.

        It is scaled down by what is missing to two more bounds: after training on 5 % of the direct data, pivoting
        through English; in a language with little data, 1.1 times a model of that pair alone, at equal steps or an
        eighth of them, whichever is better for it. Reported beside it: all these scores, and the share of translations
        in the language of the tag.
        """
        return Claim(
            method=_together,
            baseline=_stricter_bound,
            seeds=range(3),
            budget={"sentences": SENTENCES * len(UNTAUGHT)},
            threshold=1.0,
        )


@cache
def _pieces() -> TextPieces:
    return text_pieces(LANGUAGES, size=2000)


def _together(seed: int, meter: Meter) -> float:
    """The chrF of untaught directions, scaled down where the adapted or the small pair's model misses its bound."""
    model = translator([ENGLISH, *LANGUAGES], _pieces(), seed=seed)
    teach(model, Lessons(centric(LANGUAGES), Temperature(temperature=2.0), STEPS), seed=seed)
    small = score(model, Direction(ENGLISH, SMALL), SENTENCES)
    meter.add("share in the tag's language", _share_in_language(model))
    untaught, pivoted = _mean_of(model, translate), _mean_of(model, _pivot)
    direct = Lessons(UNTAUGHT, Temperature(), ADAPTING, share=DIRECT_SHARE, learning_rate=0.001)
    teach(model, direct, seed=seed)
    adapted = _mean_of(model, translate)
    alone = max(_alone(seed, steps) for steps in (STEPS // 8, STEPS))
    for name, value in (
        ("chrF untaught", untaught),
        ("chrF pivoting", pivoted),
        ("chrF after 5 % direct", adapted),
        ("chrF small pair together", small),
        ("chrF small pair alone", alone),
    ):
        meter.add(name, value)
    meter.add("sentences", SENTENCES * len(UNTAUGHT))
    return untaught * min(_reached(adapted, pivoted), _reached(small, 1.1 * alone))


def _reached(value: float, bound: float) -> float:
    """The share of a bound that is reached."""
    return min(1.0, value / bound) if bound else 1.0


def _alone(seed: int, steps: int) -> float:
    """The chrF of a model of the small pair alone, which many steps make learn its few sentences by heart."""
    model = translator([SMALL], _pieces(), seed=seed)
    teach(model, Lessons([Direction(ENGLISH, SMALL)], Temperature(), steps), seed=seed)
    return score(model, Direction(ENGLISH, SMALL), SENTENCES)


def _stricter_bound(seed: int, meter: Meter) -> float:
    """The higher of twice the chrF of copying the source and that of the best answer that is always the same."""
    model = translator([ENGLISH, *LANGUAGES], _pieces(), seed=seed)
    meter.add("sentences", SENTENCES * len(UNTAUGHT))
    copied, constant = _mean_of(model, lambda model, direction, texts: texts), _mean_of(model, _constant)
    meter.add("chrF copying", copied)
    meter.add("chrF best constant", constant)
    return max(2 * copied, constant)


def _constant(model: Unimodal, direction: Direction, texts: Sequence[str]) -> list[str]:
    """The training answer that fits others best, to everything."""
    task = direction.task(model.processor.vocabulary)
    answer = task.trivial(task.examples("train"))["best constant"](Example("", {}))
    return [str(answer)] * len(texts)


def _mean_of(model: Unimodal, ask: Translate) -> float:
    return fmean(score(model, direction, SENTENCES, ask) for direction in UNTAUGHT)


def _pivot(model: Unimodal, direction: Direction, texts: Sequence[str]) -> list[str]:
    """Into English first, and from there."""
    english = translate(model, Direction(direction.source, ENGLISH), texts)
    return translate(model, Direction(ENGLISH, direction.target), english)


def _share_in_language(model: Unimodal) -> float:
    """Of the taught directions, the share of the translations that are in the tag's language."""
    vocabulary = model.processor.vocabulary
    known = {
        language: [str(example.answer) for example in direction.task(vocabulary).examples("train")[:2000]]
        for direction in (*(Direction(ENGLISH, one) for one in LANGUAGES), Direction(LANGUAGES[0], ENGLISH))
        for language in (direction.target,)
    }
    language_of = Languages(known)
    right = [
        language_of(text) == direction.target
        for direction in centric(LANGUAGES)
        for text in translate(model, direction, sentences(model, direction, SENTENCES)[0])
    ]
    return fmean(right)


@cache
def _plain_pieces() -> TextPieces:
    """Pieces that need no corpus; what is not English is spelled."""
    lines = topics_text("validation").decode().splitlines()
    with TemporaryDirectory() as folder:
        return TextPieces.train(lines, 400, Path(folder, "tokenizer.model"))


def _untrained(*targets: str) -> Unimodal:
    return translator(targets, _plain_pieces(), seed=0, dim=16, depth=1)


def _item(model: Unimodal, direction: Direction, text: str = "open the file", tag: object = None) -> Item:
    task = direction.task(model.processor.vocabulary)
    return model.processor.prompt(task, Example("", {"text": text}), tag=tag)


def _ids(item: Item) -> list[list[int]]:
    return [piece.arrays["ids"].tolist() for piece in item.prompt]


def _first_logits(model: Unimodal, items: Sequence[Item]) -> Float[Tensor, "b v"]:
    prompt = Prompt.of(model.model, items)
    with torch.inference_mode():
        memories = prompt.read(model.model)
        decoded = model.model.decode(prompt.target, memories, Once(len(items), model.model.device))
        return model.model.logits(decoded.last[:, -1])


def _counts_parameters() -> None:
    single, several = _untrained("de"), _untrained("de", "es", "fr", ENGLISH)
    sizes = [sum(parameter.numel() for parameter in model.model.parameters()) for model in (single, several)]
    width = single.model.embedding.embedding_dim
    assert sizes[1] - sizes[0] == 3 * width, f"{sizes[1] - sizes[0]} parameters more for three tags {width} wide"


def _places_the_tag() -> None:
    model = _untrained("de", "fr")
    tags = set(model.processor.vocabulary.space.ids("task"))
    for target in ("de", "fr"):
        task = Direction(ENGLISH, target).task(model.processor.vocabulary)
        item = model.processor.example(task, Example("", {"text": "open the file"}, "die Datei"))
        first, *rest = [id for ids in _ids(item) for id in ids]
        assert first == model.processor.vocabulary.space.id("task", f"translate_{target}"), "the tag is not first"
        assert item.answer is not None and not tags & {*rest, *item.answer.arrays["ids"].tolist()}, "a second tag"


def _hides_the_source() -> None:
    model = _untrained("de", "fr")
    read = [_ids(_item(model, Direction(source, "fr"))) for source in (ENGLISH, "de", "ru")]
    assert read[0] == read[1] == read[2], "what is read depends on the language that it is said to be in"
    assert read[0] != _ids(_item(model, Direction(ENGLISH, "de"))), "nor does it depend on the target"


def _mixes_tags() -> None:
    model = _untrained("de", "fr")
    pure = {to: _first_logits(model, [_item(model, Direction(ENGLISH, to))]) for to in ("de", "fr")}

    def mixed(share: float) -> Tensor:
        tag = {"translate_de": 1 - share, "translate_fr": share}
        return _first_logits(model, [_item(model, Direction(ENGLISH, "de"), tag=tag)])

    assert torch.equal(mixed(0.0), pure["de"]) and torch.equal(mixed(1.0), pure["fr"]), "not the pure tag"
    assert not torch.allclose(mixed(0.5), pure["de"]) and not torch.allclose(mixed(0.5), pure["fr"]), "no mixture"


def _batches_targets() -> None:
    model = _untrained("de", "es", "fr")
    items = [
        _item(model, Direction(ENGLISH, to), text)
        for to, text in (("de", "open the file"), ("fr", "no"), ("es", "a longer sentence"), ("de", "no"))
    ]
    together = _first_logits(model, items)
    alone = torch.cat([_first_logits(model, [item]) for item in items])
    assert torch.allclose(together, alone, atol=1e-5), f"differ by {float((together - alone).abs().max()):.1e}"
    assert not torch.allclose(together[1], together[3], atol=1e-3), "the tag changes nothing"
    both = write_tokens(model.model, Prompt.of(model.model, items), SHORT)
    each = [write_tokens(model.model, Prompt.of(model.model, [item]), SHORT)[0] for item in items]
    assert [best.tokens for best, *_ in both] == [best.tokens for best, *_ in each], "other tokens than alone"


def _refuses_the_untaught() -> None:
    model = _untrained("de", "fr")
    asked: tuple[Callable[[], object], ...] = (
        lambda: model.task("translate_ru"),
        lambda: _item(model, Direction(ENGLISH, "ru")),
        lambda: _item(model, Direction(ENGLISH, "de"), tag={"translate_de": 0.5, "translate_ru": 0.5}),
    )
    for ask in asked:
        try:
            ask()
        except ValueError as error:
            assert "translate_ru" in str(error), f"{error} does not name the tag"
        else:
            raise AssertionError("a target that was never taught is accepted")


def _samples_pairs() -> None:
    sizes = {"large": 6400, "small": 100}
    for temperature, times in ((1.0, 64), (2.0, 8), (1e9, 1)):
        rounds = Rounds({name: [size] for name, size in sizes.items()}, seed=0)
        shares = Temperature(temperature=temperature).shares(sizes)
        stream = MixedStream(rounds, shares=shares, means=dict.fromkeys(sizes, 10.0), entries=650)
        drawn = Counter(draw.task for window in range(20) for group in stream.window(0, window) for draw in group.draws)
        assert abs(drawn["large"] / drawn["small"] / times - 1) < 0.02, f"{drawn} at temperature {temperature}"
